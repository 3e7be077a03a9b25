"""compile() before every epoch, with the same settings."""

import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)
rows, targets = random.random((64, 20)).astype("float32"), random.random((64, 1)).astype("float32")
model = keras.Sequential([keras.Input((20,)), layers.Dense(1)])
for _ in range(3):
    model.compile("sgd", "mse")  # seen: MOD001
    model.fit(rows, targets, batch_size=16, verbose=0)
