"""A table is read again and fitted again: the data are equal, whatever object holds them."""

import pandas as pd
from sklearn.linear_model import Ridge

for _ in range(5):
    table = pd.DataFrame({"a": range(400), "b": [n % 7 for n in range(400)], "c": ["x"] * 400})
    Ridge(alpha=2.0).fit(table[["a"]], table["b"])  # seen: MOD001
