"""
Pool a set of embeddings
========================

Forty patches of an image, one of which shows what is looked for. How much of it is left in one vector depends on the
pooling, and that can be measured.
"""

import matplotlib.pyplot as plt
import numpy as np

from refnorm.norm import lp_normalize
from refnorm.pool import gem_pool, masked_avg_pool

rng = np.random.default_rng(0)
wanted = np.abs(rng.normal(size=64)).astype("float32")
patches = np.abs(rng.normal(0, 0.5, (200, 40, 64))).astype("float32")
patches[:100, 7] += wanted  # a hundred images hold it, in one patch of forty
unit = lp_normalize(wanted)


def separation(pooled):
    """How many standard deviations apart images with and without it are, by cosine with what is looked for."""
    scores = lp_normalize(pooled) @ unit
    return (scores[:100].mean() - scores[100:].mean()) / scores[100:].std()


# %%
# The generalized mean runs from the mean at p = 1 to the maximum as p grows.

ps = [1, 1.5, 2, 3, 4, 6, 8, 12]
gem = [separation(gem_pool(patches, p=p, axis=1)) for p in ps]
mean = separation(masked_avg_pool(patches, np.ones(patches.shape, bool), axis=1))
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(ps, gem, "o-", label="gem_pool")
ax.axhline(mean, color="0.5", label="masked_avg_pool")
ax.set(xlabel="p", ylabel="separation")
ax.legend()

# %%
# Padding that is not masked is pooled along: with half of the tokens empty, the mean of all is half as long.

half = np.arange(40) < 20
padded = patches * half[:, None]
ours = masked_avg_pool(padded, np.broadcast_to(half[:, None], patches.shape), axis=1)
print("length of the mean over what is there:", np.linalg.norm(ours, axis=-1).mean().round(2))
print("and over everything:                  ", np.linalg.norm(padded.mean(1), axis=-1).mean().round(2))
