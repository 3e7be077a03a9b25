"""What has chance in it is fitted several times, by seed or without one: each model is another one."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier

random = np.random.default_rng(0)
rows = random.normal(size=(120, 4))
labels = (rows[:, 0] > 0).astype(int)
print([RandomForestClassifier(3, random_state=seed).fit(rows, labels).score(rows, labels) for seed in range(4)])
print([RandomForestClassifier(3).fit(rows, labels).score(rows, labels) for _ in range(4)])
print([RandomForestClassifier(3, random_state=np.random.RandomState(1)).fit(rows, labels).n_classes_ for _ in range(4)])
print([KMeans(5, n_init=1, init="random", max_iter=2).fit(rows).inertia_ for _ in range(4)])
