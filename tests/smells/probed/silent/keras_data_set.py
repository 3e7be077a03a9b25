"""A data set that comes in batches of its own, the same that fit is told of; validation in every epoch."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

random = np.random.default_rng(0)
rows, targets = random.random((320, 20)).astype("float32"), random.random((320, 1)).astype("float32")
model = keras.Sequential([keras.Input((20,)), layers.Dense(1)])
model.compile("sgd", "mse")
data = tf.data.Dataset.from_tensor_slices((rows, targets)).batch(32)
model.fit(data, validation_data=data, epochs=3, verbose=0)
model.fit(rows, targets, batch_size=64, epochs=1, verbose=0)
