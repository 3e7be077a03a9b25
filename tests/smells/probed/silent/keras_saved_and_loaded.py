"""A model that is saved, loaded, trained on, copied and pickled: all of it has to go on working under the agent."""

import pickle
import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers

rows, targets = np.ones((32, 4), "float32"), np.ones((32, 1), "float32")
model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
model.compile("adam", "mse")
model.fit(rows, targets, verbose=0)
with tempfile.TemporaryDirectory() as folder:
    model.save(Path(folder) / "model.keras")
    loaded = keras.saving.load_model(Path(folder) / "model.keras")
loaded.train_on_batch(rows, targets)  # it knows the loss that it was compiled with
assert np.allclose(pickle.loads(pickle.dumps(model)).get_weights()[0], model.get_weights()[0])
