"""The same array with other numbers in it, weights that change, rows that grow, and labels in words."""

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

random = np.random.default_rng(0)
rows = random.normal(size=(300, 5))
labels = np.where(rows[:, 0] > 0, "yes", "no").astype(object)
for _ in range(4):
    rows[7, 3] += 0.5  # in place: the array is the same object
    Ridge().fit(rows, rows[:, 0])
for place in range(4):
    Ridge().fit(rows, rows[:, 0], sample_weight=np.linspace(0.1, 1.0 + place, 300))
for count in (100, 150, 200, 250):
    LogisticRegression().fit(rows[:count], labels[:count])
for place in range(4):
    labels[place] = "no" if labels[place] == "yes" else "yes"
    LogisticRegression().fit(rows, labels)
for place in range(4):
    table = sparse.csr_matrix(rows * (rows > place / 4))
    Ridge(solver="sparse_cg").fit(table, rows[:, 0])
