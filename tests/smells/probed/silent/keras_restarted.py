"""Three independent runs of one model: its first weights are put back, and it is compiled anew."""

import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)
images, labels = random.random((64, 20)).astype("float32"), random.random((64, 1)).astype("float32")
model = keras.Sequential([keras.Input((20,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
first = model.get_weights()
for _ in range(3):
    model.set_weights(first)
    model.compile("sgd", "mse")
    model.fit(images, labels, batch_size=8, epochs=1, verbose=0)
