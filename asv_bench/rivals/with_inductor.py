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
        "gem_pool": lambda x: x.clamp(min=1e-6).pow(case.options["p"]).mean((2, 3)).pow(1 / case.options["p"]),
    }.get(case.operator)
    if formula is None or case.vjp or case.channels_last:
        return
    torch._dynamo.reset()
    compiled, given = torch.compile(formula, dynamic=False), [torch.from_numpy(a) for a in arrays]
    yield "allocates", lambda: compiled(*given)
