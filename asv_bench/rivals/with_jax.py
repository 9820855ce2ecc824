"""JAX on the CPU, jitted; every answer is fresh memory. XLA sizes its pool by the CPUs it may run on."""

import functools
import os


def use_threads(n: int) -> None:
    if hasattr(os, "sched_setaffinity"):  # before the first import of jax
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:n]))


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    import jax

    f = {
        "layer_norm": layer_norm, "rms_norm": rms_norm, "softmax": softmax, "max_pool": max_pool, "avg_pool": avg_pool,
        "batch_norm_train": batch_norm_train, "instance_norm": instance_norm, "group_norm": group_norm,
        "lp_normalize": lp_normalize, "gem_pool": gem_pool, "adaptive_avg_pool": adaptive_avg_pool,
        "walsh_hadamard_transform": walsh_hadamard_transform, "evonorm": evonorm, "region_norm": region_norm,
        "generalized_divisive_norm": generalized_divisive_norm, "gated_rms_norm": gated_rms_norm,
        "crms_norm": crms_norm, "weight_norm": weight_norm, "spatial_pyramid_pool": spatial_pyramid_pool,
    }.get(case.operator)  # fmt: skip
    if f is None or case.channels_last:
        return
    numbers = {k: v for k, v in case.options.items() if k in ("groups", "p", "output_size", "kind", "levels")}
    f, arrays = functools.partial(f, **numbers), [jax.numpy.asarray(a) for a in arrays]
    forward = jax.jit(f)
    both = jax.jit(lambda g, *inputs: jax.vjp(f, *inputs)[1](g))
    if not case.vjp:
        yield "allocates", lambda: forward(*arrays).block_until_ready()
    elif len(arrays) > 2:
        yield "forward and backward, allocates", lambda: jax.block_until_ready(both(*arrays))
    else:
        yield "forward and backward, allocates", lambda: both(*arrays)[0].block_until_ready()


def layer_norm(x, w, b):
    import jax

    c = x - x.mean(-1, keepdims=True)
    return c * jax.lax.rsqrt((c * c).mean(-1, keepdims=True) + 1e-5) * w + b


def rms_norm(x, w):
    import jax

    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w


def softmax(x):
    import jax

    return jax.nn.softmax(x, -1)


def max_pool(x):
    import jax

    pads = ((0, 0), (0, 0), (1, 1), (1, 1))
    return jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), pads)


def avg_pool(x):
    import jax

    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4


def standardized(x, axes):
    import jax

    c = x - x.mean(axes, keepdims=True)
    return c * jax.lax.rsqrt((c * c).mean(axes, keepdims=True) + 1e-5)


def batch_norm_train(x, w, b):
    return standardized(x, (0, 2, 3)) * w[:, None, None] + b[:, None, None]


def instance_norm(x, w, b):
    return standardized(x, (2, 3)) * w[:, None, None] + b[:, None, None]


def group_norm(x, w, b, groups):
    y = standardized(x.reshape(x.shape[0], groups, -1), -1).reshape(x.shape)
    return y * w[:, None, None] + b[:, None, None]


def deviation(x, axes):
    import jax

    return jax.numpy.sqrt(x.var(axes, keepdims=True) + 1e-5)


def evonorm(x, v, w, b, kind, groups=None):
    import jax

    v, w, b = (p[:, None, None] for p in (v, w, b))
    if kind == "s0":
        rows = x.reshape(x.shape[0], groups, -1)
        return (rows / deviation(rows, -1)).reshape(x.shape) * jax.nn.sigmoid(x * v) * w + b
    return x / jax.numpy.maximum(deviation(x, (0, 2, 3)), x * v + deviation(x, (2, 3))) * w + b


def region_norm(x, mask, w, b):
    import jax

    y = jax.numpy.zeros_like(x)
    for r, on in enumerate((~mask, mask)):
        n = on.sum()
        c = jax.numpy.where(on, x - jax.numpy.where(on, x, 0).sum((0, 2, 3), keepdims=True) / n, 0)
        root = jax.lax.rsqrt((c * c).sum((0, 2, 3), keepdims=True) / n + 1e-5)
        y = jax.numpy.where(on, c * root * w[r][:, None, None] + b[r][:, None, None], y)
    return y


def generalized_divisive_norm(x, w, b):
    import jax

    pool = jax.numpy.einsum("ij,njhw->nihw", w, x * x) + b[:, None, None]
    return x * jax.lax.rsqrt(pool)


def gated_rms_norm(x, z, w):
    import jax

    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w * jax.nn.silu(z)


def crms_norm(x):
    import jax

    last = x.sum(-1, keepdims=True)
    return x * jax.lax.rsqrt(((x * x).sum(-1, keepdims=True) + last * last) / (x.shape[-1] + 1) + 1e-5)


def weight_norm(x, g):
    import jax

    return x * (g[:, None] * jax.lax.rsqrt((x * x).sum(-1, keepdims=True)))


def lp_normalize(x):
    import jax

    return x * jax.lax.rsqrt(jax.numpy.maximum((x * x).sum(-1, keepdims=True), 1e-24))


def gem_pool(x, p):
    import jax

    x = jax.numpy.maximum(x, 1e-6)
    return (x * x * x if p == 3 else x**p).mean((2, 3)) ** (1 / p)


def adaptive_avg_pool(x, output_size):
    """Sizes that divide, as here, are a reshape."""
    n, c, height, width = x.shape
    size = output_size
    return x.reshape(n, c, size, height // size, size, width // size).mean((3, 5))


def spatial_pyramid_pool(x, levels):
    """Sizes that divide, as here, are a reshape."""
    import jax

    n, c, height, width = x.shape
    parts = [x.reshape(n, c, k, height // k, k, width // k).max((3, 5)).reshape(n, -1) for k in levels]
    return jax.numpy.concatenate(parts, axis=1)


def walsh_hadamard_transform(x):
    """H of n is H (x) H of root n: two batched products."""
    import math

    import jax
    from scipy.linalg import hadamard

    k = math.isqrt(x.shape[1])
    h = jax.numpy.asarray(hadamard(k, dtype="float32"))
    return (h @ (x.reshape(-1, k, k) @ h)).reshape(x.shape)
