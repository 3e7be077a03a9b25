"""The model that answers each request is fitted for each of them, on the same data."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

random = np.random.default_rng(0)
rows, targets = random.normal(size=(200, 4)), random.normal(size=200)


def answer(question):
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    model.fit(rows, targets)  # seen: MOD001
    return model.predict(question)


print(sum(answer(rows[place : place + 1])[0] for place in range(6)))
