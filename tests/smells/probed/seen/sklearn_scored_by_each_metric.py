"""The same folds are fitted once for each metric, where cross_validate would fit them once for all."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

random = np.random.default_rng(0)
rows = random.normal(size=(300, 5))
labels = (rows[:, 0] > 0).astype(int)
for metric in ("accuracy", "f1", "roc_auc"):
    print(metric, cross_val_score(LogisticRegression(), rows, labels, scoring=metric, cv=4).mean())  # seen: MOD001
