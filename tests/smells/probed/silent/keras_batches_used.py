"""A pipeline that was trained from is read again: its batches are used or kept, or the reading fills a cache."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

rows = tf.data.Dataset.from_tensor_slices((tf.ones((96, 20)), tf.ones((96, 1))))
batches = rows.batch(16)
cached = rows.cache().batch(16)
model = keras.Sequential([keras.Input((20,)), layers.Dense(1)])
optimizer = keras.optimizers.SGD(0.01)
optimizer.build(model.trainable_variables)


@tf.function
def step(row, target):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(row) - target))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


for _ in cached:
    pass
for _ in range(2):
    for row, target in batches:
        step(row, target)
    for row, target in cached:
        step(row, target)
targets = np.concatenate([target.numpy() for _, target in batches])
kept = [target for _, target in batches]
for row, target in kept[:0] or batches:
    step(row, target)
