"""The batches of a pipeline are made once more to count them."""

import keras
import tensorflow as tf
from keras import layers

rows = tf.data.Dataset.from_tensor_slices((tf.ones((96, 20)), tf.ones((96, 1))))
batches = rows.map(lambda row, target: (tf.random.stateless_uniform((20,), (1, 2)) + row, target)).batch(16)
model = keras.Sequential([keras.Input((20,)), layers.Dense(1)])
optimizer = keras.optimizers.SGD(0.01)
optimizer.build(model.trainable_variables)


@tf.function
def step(row, target):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(row) - target))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


for _ in range(2):
    total = tf.zeros(())
    for row, target in batches:
        total += step(row, target)
    mean = total / len(list(batches))  # seen: DAT006
