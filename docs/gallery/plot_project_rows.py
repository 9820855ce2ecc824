"""
Project a table that is larger than memory
==========================================

A random projection needs no matrix: a hash says for every column where it is added, and with which sign. Rows are
streamed in blocks, and distances are kept.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from refnorm.proj import count_sketch

# %%
# Twenty thousand rows in a file stand for a billion: a block is all that is ever in memory, whatever the length.

rows, width, narrow, block = 20_000, 512, 128, 4096
rng = np.random.default_rng(0)
ids, signs = rng.integers(0, narrow, width), rng.choice([-1.0, 1.0], width).astype("float32")

with tempfile.TemporaryDirectory() as folder:
    table = np.lib.format.open_memmap(Path(folder, "rows.npy"), "w+", "float32", (rows, width))
    for start in range(0, rows, block):
        table[start : start + block] = rng.normal(size=(min(block, rows - start), width)) * np.geomspace(1, 0.1, width)
    sketch = np.empty((rows, narrow), "float32")
    for start in range(0, rows, block):
        part = np.asarray(table[start : start + block])  # a plain array over the same memory
        count_sketch(part, ids, signs, output_size=narrow, out=sketch[start : start + block])
    pairs = rng.integers(0, rows, (2000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    before = np.linalg.norm(table[pairs[:, 0]] - table[pairs[:, 1]], axis=1)
    del table

after = np.linalg.norm(sketch[pairs[:, 0]] - sketch[pairs[:, 1]], axis=1)

# %%
# Four times narrower, and the distances of random pairs are off by a few percent:

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hist(after / before, bins=40)
ax.set(xlabel=f"distance in {narrow} numbers over distance in {width}", ylabel="pairs")
print(f"mean {np.mean(after / before):.3f}, standard deviation {np.std(after / before):.3f}")
