"""JAX on the CPU, jitted; every answer is fresh memory. XLA sizes its pool by the CPUs it may run on."""

import os


def use_threads(n: int) -> None:
    if hasattr(os, "sched_setaffinity"):  # before the first import of jax
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:n]))


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    import jax

    f = {"layer_norm": layer_norm, "rms_norm": rms_norm, "softmax": softmax, "max_pool": max_pool, "avg_pool": avg_pool}
    if case.channels_last:
        return
    f, arrays = f[case.operator], [jax.numpy.asarray(a) for a in arrays]
    forward = jax.jit(f)
    both = jax.jit(lambda g, *inputs: jax.vjp(f, *inputs)[1](g))
    if not case.vjp:
        yield "allocates", lambda: forward(*arrays).block_until_ready()
    elif case.parameters:
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
