"""log_softmax as a program that knows nothing of refnorm: NumPy and a .npz file in, a .npz file out.

    refnorm check log_softmax --as command:npz --impl "python log_softmax.py" --vjp "python log_softmax.py" --budget 300

The operator's name in the metadata says whether the gradient is asked for. The interpreter is started anew for every
call: a program in a compiled language answers fifty times as fast.
"""

import json
import sys

import numpy as np

given = np.load(sys.argv[1])
words = json.loads(bytes(given["__metadata__"]))
options = json.loads(words["options"])
if "__dtypes__" in given:  # bfloat16, as uint16
    sys.exit(77)

x, axis = given["x0"], options.get("axis", -1)
axis = tuple(axis) if isinstance(axis, list) else axis
wide = x.astype("float64")
with np.errstate(all="ignore"):  # rows of infinities are NaN
    z = wide - np.max(wide, axis=axis, keepdims=True)
    y = z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))
    if words["operator"] == "log_softmax_vjp":  # the cotangent of the answer comes as g0, that of x0 goes out as y0
        g = given["g0"].astype("float64")
        y = g - np.exp(y) * np.sum(g, axis=axis, keepdims=True)
    np.savez(sys.argv[2], y0=y.astype(x.dtype))
