"""Functions and fit that run eagerly, as one has it to look for a fault."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

rows, targets = np.ones((64, 8), "float32"), np.ones((64, 1), "float32")
model = keras.Sequential([keras.Input((8,)), layers.Dense(1)])
model.compile("sgd", "mse", run_eagerly=True)
model.fit(rows, targets, epochs=2, verbose=0)  # also: debugging-left-on
tf.config.run_functions_eagerly(True)  # also: debugging-left-on
