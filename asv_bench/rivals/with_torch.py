"""torch: `out=` where the operator writes to it directly (layer_norm's computes and copies), else fresh memory."""

import math

import torch
import torch.nn.functional as F
from scipy.linalg import hadamard


def use_threads(n: int) -> None:
    torch.set_num_threads(n)
    torch.set_grad_enabled(False)


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    forward = {
        "layer_norm": layer_norm, "rms_norm": rms_norm, "softmax": softmax, "max_pool": max_pool,
        "avg_pool": avg_pool, "batch_norm_train": batch_norm_train, "instance_norm": instance_norm,
        "group_norm": group_norm, "lp_normalize": lp_normalize, "adaptive_avg_pool": adaptive_avg_pool,
        "gem_pool": gem_pool, "walsh_hadamard_transform": walsh_hadamard_transform,
        "fastfood_project": fastfood_project, "weight_norm": weight_norm,
        "segment_pool": segment_pool, "spatial_pyramid_pool": spatial_pyramid_pool,
        "entmax": entmax, "project_simplex": project_simplex, "count_sketch": count_sketch,
    }  # fmt: skip
    gradient = {"layer_norm": layer_norm_vjp, "softmax": softmax_vjp}
    f = (gradient if case.vjp else forward).get(case.operator)
    if f is not None:  # else torch has no operator of that name; see inductor for what one writes in its place
        yield from f(case, *map(torch.from_numpy, arrays))


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


def project_simplex(case, x):
    """By sorting, all of a row or its 100 largest, which are enough here."""

    def projected(u):
        n = torch.arange(1, u.shape[1] + 1)
        theta = (u.cumsum(-1) - 1) / n
        support = (u > theta).sum(-1, keepdim=True)
        return (x - theta.gather(-1, support - 1)).clamp(min=0)

    yield "sorted, allocates", lambda: projected(x.sort(-1, descending=True)[0])
    yield "100 largest, allocates", lambda: projected(x.topk(100)[0])


def entmax(case, x):
    """By sorting, all of a row or its 100 largest, which are enough here."""
    if case.options.get("alpha") == 2:
        yield from project_simplex(case, x)
        return

    def shares(u):
        z = (x - u[:, :1]) / 2
        u = (u - u[:, :1]) / 2
        n = torch.arange(1, u.shape[1] + 1)
        mean = u.cumsum(-1) / n
        taus = mean - torch.sqrt(((1 - (u * u).cumsum(-1)) / n + mean * mean).clamp(min=0))
        support = (taus <= u).sum(-1, keepdim=True)
        return (z - taus.gather(-1, support - 1)).clamp(min=0) ** 2

    yield "sorted, allocates", lambda: shares(x.sort(-1, descending=True)[0])
    yield "100 largest, allocates", lambda: shares(x.topk(100)[0])


def spatial_pyramid_pool(case, x):
    def call():
        return torch.cat([F.adaptive_max_pool2d(x, n).flatten(1) for n in case.options["levels"]], dim=1)

    yield "allocates", call


def batch_norm_train(case, x, w, b):
    yield "allocates", lambda: F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5)


def instance_norm(case, x, w, b):
    yield "allocates", lambda: F.instance_norm(x, weight=w, bias=b, eps=1e-5)


def group_norm(case, x, w, b):
    yield "allocates", lambda: F.group_norm(x, case.options["groups"], w, b, 1e-5)


def lp_normalize(case, x):
    y = torch.empty_like(x)
    yield "out given", lambda: F.normalize(x, dim=-1, out=y)


def weight_norm(case, x, g):
    yield "allocates", lambda: torch._weight_norm(x, g[:, None], 0)


def adaptive_avg_pool(case, x):
    size = case.options["output_size"]
    for layout, t in layouts(case, x):
        y = F.adaptive_avg_pool2d(t, size)
        yield layout + "out given", lambda t=t, y=y: torch.ops.aten.adaptive_avg_pool2d.out(t, [size, size], out=y)


def gem_pool(case, x):
    p = case.options["p"]
    yield "allocates", lambda: x.clamp(min=1e-6).pow(p).mean((2, 3)).pow(1 / p)


def segment_pool(case, x, ids):
    n = case.options["segments"]
    y = torch.empty(n, x.shape[1])

    def call():
        y.zero_().index_add_(0, ids, x)
        return y.div_(torch.bincount(ids, minlength=n).clamp(min=1)[:, None])

    yield "index_add, out given", call


def walsh_hadamard_transform(case, x):
    """H of 4096 is H64 (x) H64: two batched products, far quicker here than butterflies."""
    first, second = torch.empty_like(x), torch.empty_like(x)
    yield "two products, out given", lambda: transform(x, first, second)


def transform(x, first, second):
    rows, n = x.shape
    k = math.isqrt(n)
    h = torch.from_numpy(hadamard(k, dtype="float32"))
    torch.matmul(x.view(-1, k), h, out=first.view(-1, k))
    torch.matmul(h, first.view(rows, k, k), out=second.view(rows, k, k))
    return second


def fastfood_project(case, x, signs, permutation, gains):
    n = signs.shape[0]
    one, two, three = (torch.empty_like(x) for _ in range(3))
    scale = 1 / math.sqrt(n * float(gains.square().sum()))

    def call():
        torch.mul(x, signs, out=one)
        torch.index_select(transform(one, two, three), 1, permutation, out=one)
        return transform(one.mul_(gains), two, three).mul_(scale)

    yield "two products twice, out given", call


def count_sketch(case, x, ids, signs):
    n = case.options["output_size"]
    if ids.ndim == 2:
        kept = ids >= 0
        element = torch.nonzero(kept)[:, 0]
        matrix = torch.sparse_coo_tensor(torch.stack([ids[kept], element]), signs[kept], (n, len(ids))).to_sparse_csr()
        lain = x.T.contiguous()
        yield "CSR product, allocates", lambda: (matrix @ x.T).T
        yield "CSR product of rows that lie transposed, allocates", lambda: (matrix @ lain).T
        return
    y, signed = torch.empty(x.shape[0], n), torch.empty_like(x)

    def call():
        torch.mul(x, signs, out=signed)
        return y.zero_().index_add_(1, ids, signed)

    yield "index_add, out given", call


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
