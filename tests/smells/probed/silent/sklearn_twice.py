"""Fitted twice alike, in two parts of a program: not in a loop."""

import numpy as np
from sklearn.linear_model import Ridge

rows = np.random.default_rng(0).normal(size=(300, 5))
print(Ridge().fit(rows, rows[:, 0]).coef_)
print(Ridge().fit(rows, rows[:, 0]).predict(rows[:2]))
