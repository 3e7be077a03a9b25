"""Folds, a search over parameters, and its best model on all rows: each fit is another one."""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

random = np.random.default_rng(0)
rows = random.normal(size=(300, 5))
targets = rows[:, 0] + random.normal(size=300)
for alpha in (0.1, 1.0, 10.0):
    print(cross_val_score(Ridge(alpha=alpha), rows, targets).mean())
for train, test in KFold(5, shuffle=True, random_state=1).split(rows):
    print(Ridge().fit(rows[train], targets[train]).score(rows[test], targets[test]))
search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}).fit(rows, targets)
print(search.best_estimator_.predict(rows[:2]))
