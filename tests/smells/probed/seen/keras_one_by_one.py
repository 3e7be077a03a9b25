"""predict() for every row; and a tape around an evaluation."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

random = np.random.default_rng(0)
rows = random.random((60, 20)).astype("float32")
model = keras.Sequential([keras.Input((20,)), layers.Dense(1)])
for row in rows:
    model.predict(row[None], verbose=0)  # seen: BAT001
for _ in range(4):
    with tf.GradientTape():  # seen: AUT001
        model(rows, training=False)
