"""torch.compile: the formulas as one writes them in torch, fused by inductor; every answer is fresh memory."""

import torch
import torch.nn.functional as F


def use_threads(n: int) -> None:
    torch.set_num_threads(n)
    torch.set_grad_enabled(False)


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    formula = {
        "layer_norm": lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b),
        "rms_norm": lambda x, w: F.rms_norm(x, x.shape[-1:], w, 1e-6),
        "softmax": lambda x: torch.softmax(x, -1),
        "batch_norm_train": lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5),
        "instance_norm": lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-5),
        "group_norm": lambda x, w, b: F.group_norm(x, case.options["groups"], w, b, 1e-5),
        "lp_normalize": lambda x: F.normalize(x, dim=-1),
        "adaptive_avg_pool": lambda x: F.adaptive_avg_pool2d(x, case.options["output_size"]),
        "spatial_pyramid_pool": lambda x: pyramid(x, case.options["levels"]),
        "evonorm": evonorm_s0 if case.options.get("kind") == "s0" else evonorm_b0,
        "region_norm": region_norm,
        "generalized_divisive_norm": generalized_divisive_norm,
        "gated_rms_norm": lambda x, z, w: F.rms_norm(x, x.shape[-1:], w, 1e-5) * F.silu(z),
        "crms_norm": crms_norm,
        "weight_norm": lambda x, g: x * (g[:, None] / x.norm(dim=1, keepdim=True)),
        "gem_pool": lambda x: x.clamp(min=1e-6).pow(case.options["p"]).mean((2, 3)).pow(1 / case.options["p"]),
    }.get(case.operator)
    if formula is None or case.vjp or case.channels_last:
        return
    torch._dynamo.reset()
    compiled, given = torch.compile(formula, dynamic=False), [torch.from_numpy(a) for a in arrays]
    yield "allocates", lambda: compiled(*given)


def pyramid(x, levels):
    return torch.cat([F.adaptive_max_pool2d(x, n).flatten(1) for n in levels], dim=1)


def planes(p):
    return p[:, None, None]


def evonorm_s0(x, v, w, b):
    groups = x.view(x.shape[0], 32, -1)
    root = torch.rsqrt(groups.var(-1, correction=0, keepdim=True) + 1e-5)
    return (groups * root).view(x.shape) * torch.sigmoid(x * planes(v)) * planes(w) + planes(b)


def evonorm_b0(x, v, w, b):
    whole = torch.sqrt(x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5)
    own = torch.sqrt(x.var((2, 3), correction=0, keepdim=True) + 1e-5)
    return x / torch.maximum(whole, x * planes(v) + own) * planes(w) + planes(b)


def region_norm(x, mask, w, b):
    """Sums of what lies inside and of everything: one pass fewer than a pass a region."""
    y = torch.zeros_like(x)
    for r, on in enumerate((~mask, mask)):
        n = on.sum()
        mean = torch.where(on, x, 0).sum((0, 2, 3), keepdim=True) / n
        c = torch.where(on, x - mean, 0)
        root = torch.rsqrt((c * c).sum((0, 2, 3), keepdim=True) / n + 1e-5)
        y = torch.where(on, c * root * planes(w[r]) + planes(b[r]), y)
    return y


def generalized_divisive_norm(x, w, b):
    """As CompressAI does it: a convolution of one site."""
    return x * torch.rsqrt(F.conv2d(x * x, w[:, :, None, None], b))


def crms_norm(x):
    last = x.sum(-1, keepdim=True)
    return x * torch.rsqrt(((x * x).sum(-1, keepdim=True) + last * last) / (x.shape[-1] + 1) + 1e-5)
