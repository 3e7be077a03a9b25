"""A model that goes on from where it was, and one that is given more at a time."""

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

random = np.random.default_rng(0)
rows = random.normal(size=(120, 4))
labels = (rows[:, 0] > 0).astype(int)
network = MLPClassifier((4,), warm_start=True, max_iter=300, tol=1e-3, random_state=0)
for _ in range(4):
    network.fit(rows, labels)
online = SGDClassifier(random_state=0)
for _ in range(4):
    online.partial_fit(rows, labels, classes=[0, 1])
print(network.score(rows, labels), online.score(rows, labels))
