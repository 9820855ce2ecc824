"""torch: `out=` where the operator writes to it directly (layer_norm's computes and copies), else fresh memory."""

import torch
import torch.nn.functional as F


def use_threads(n: int) -> None:
    torch.set_num_threads(n)
    torch.set_grad_enabled(False)


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    yield from {
        ("layer_norm", False): layer_norm,
        ("rms_norm", False): rms_norm,
        ("softmax", False): softmax,
        ("max_pool", False): max_pool,
        ("avg_pool", False): avg_pool,
        ("layer_norm", True): layer_norm_vjp,
        ("softmax", True): softmax_vjp,
    }[case.operator, case.vjp](case, *map(torch.from_numpy, arrays))


def layer_norm(case, x, w, b):
    yield "allocates", lambda: F.layer_norm(x, x.shape[-1:], w, b)


def rms_norm(case, x, w):
    yield "allocates", lambda: F.rms_norm(x, x.shape[-1:], w, 1e-6)


def softmax(case, x):
    y = torch.empty_like(x)
    yield "out given", lambda: torch.softmax(x, -1, out=y)


def layouts(case, x):
    """Yield the layouts that torch may choose from: the caller of the contiguous case could convert for good."""
    if not case.channels_last:
        yield "contiguous, ", x
    yield "channels last, ", x.contiguous(memory_format=torch.channels_last)


def max_pool(case, x):
    pool = torch.ops.aten.max_pool2d_with_indices.out
    for layout, t in layouts(case, x):
        y, index = F.max_pool2d(t, 3, 2, 1, return_indices=True)
        given = {"out": y, "indices": index}
        yield layout + "out given", lambda t=t, given=given: pool(t, [3, 3], [2, 2], [1, 1], **given)[0]


def avg_pool(case, x):
    for layout, t in layouts(case, x):
        y = F.avg_pool2d(t, 2)
        yield layout + "out given", lambda t=t, y=y: torch.ops.aten.avg_pool2d.out(t, [2, 2], out=y)


def layer_norm_vjp(case, g, x, w, b):
    """We are given no statistics of the forward pass, so both ways are shown: what torch saves it has paid for."""
    shape, forward = x.shape[-1:], torch.ops.aten.native_layer_norm
    backward = torch.ops.aten.native_layer_norm_backward
    _, mean, rstd = forward(x, shape, w, b, 1e-5)

    def both():
        _, mean, rstd = forward(x, shape, w, b, 1e-5)
        return backward(g, x, shape, mean, rstd, w, b, [True] * 3)

    yield "backward alone, allocates", lambda: backward(g, x, shape, mean, rstd, w, b, [True] * 3)
    yield "forward and backward, allocates", both


def softmax_vjp(case, g, x):
    y, dx = torch.softmax(x, -1), torch.empty_like(x)
    backward = torch.ops.aten._softmax_backward_data.out

    def both():
        torch.softmax(x, -1, out=y)
        return backward(g, y, -1, x.dtype, grad_input=dx)

    yield "backward alone, out given", lambda: backward(g, y, -1, x.dtype, grad_input=dx)
    yield "forward and backward, out given", both
