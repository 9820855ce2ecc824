"""Norms taken into the weights beside them, so that a simpler norm, or none, gives the same answers."""

from __future__ import annotations

from .._cases import case, normal, orthonormal, positive
from .._core.sums import mean as mean_of
from .._core.sums import total, two_sum
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, require_switch, roomy, widen


def require_map(weight, axis_size, rotation, compressed) -> None:
    """Refuse what is no matrix, a rotation of another size, and two conversions at once."""
    if weight.ndim != 2 or 0 in weight.shape:
        raise ValueError(f"weight must be a matrix (outputs, inputs), not empty, got shape {tuple(weight.shape)}")
    require_shape("rotation", rotation, (axis_size, axis_size))
    require_switch("compressed", compressed)
    if compressed and rotation is not None:
        raise ValueError("a rotated vector has no mean of zero to compress: compressed=True takes no rotation")
    if compressed and axis_size < 2:
        raise ValueError(f"compressed=True leaves nothing of weight of shape {tuple(weight.shape)}")


@operator(
    paper=("jiang2023pre", "ashkboos2024slicegpt"),
    cases=[
        case("gain", normal(4, 7), normal(7)),
        case("affine", normal(4, 7), normal(7), normal(7), normal(4)),
        case("no bias yet", normal(3, 33), normal(33), normal(33)),
        case("compressed", normal(5, 6), normal(6), normal(6), normal(5), compressed=True),
        case("rotated", normal(4, 6), normal(6), normal(6), normal(4), orthonormal(6, 6)),
        case("rotated alone", normal(3, 5, mean=2.0), None, None, normal(3), orthonormal(5, 5)),
    ],
    bench=case("affine", normal(2048, 1024), normal(1024), normal(1024), normal(2048)),
    rows=lambda x, rng: ([x / x.shape[1], *rng.normal(size=(2, x.shape[1])), rng.normal(size=len(x))], {}),
)
def fold_layer_norm(weight, gain=None, shift=None, bias=None, rotation=None, /, *, compressed=False):
    r"""Take the affine part of a norm into the linear map behind it, and make that read another form of its input.

    .. math:: W' = W \operatorname{diag}(g) \, Q, \qquad b' = b + W s

    What follows a layer norm with gain g and shift s then follows one without. With :func:`recenter_output` on
    everything that writes to the input of the norm, that one may be an RMS norm: the mean is zero already. With a
    rotation Q, the RMS norm is one of rotated vectors. Compressed, it is :func:`crms_norm`, and W' has one column less:
    each of the others minus the last.

    Parameters
    ----------
    weight : array of float16, bfloat16, float32 or float64
        The matrix W behind the norm, of shape (outputs, inputs): ``y = W x + b``.
    gain, shift : array, optional
        The weight and the bias of the norm, of shape (inputs,); 1 and 0 where they are None.
    bias : array, optional
        The bias b behind the norm, of shape (outputs,); 0 where it is None.
    rotation : array, optional
        An orthogonal matrix Q of shape (inputs, inputs): the norm is given ``x @ Q``. That it is orthogonal is not
        looked at.
    compressed : bool
        The norm is given vectors of mean zero without their last entry, as by :func:`compress_zero_mean`.

    Returns
    -------
    tuple
        ``(weight, bias)`` in the dtype, library and device of `weight`; there is a bias in any case. NaN and infinities
        propagate as in the sums.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `compressed` is no bool.
    ValueError
        `weight` is no matrix or empty, another array has not its shape, or both `rotation` and `compressed` are given.

    Notes
    -----
    A norm whose scale is fixed, such as :func:`unified_norm` after training, is gone altogether where its scale is in
    the gain: ``gain / sqrt(var + eps)``. SliceGPT's code computes in float64 and rounds to the dtype of the weight, as
    here. Its RMS norm has the eps 1e-5 whatever the model had: the answers are the same only for the same eps.

    References
    ----------
    Jiang et al., Pre-RMSNorm and Pre-CRMSNorm Transformers, 2023 (not read again; the compressed form is as
    catalogued, which names the example of the released code). Ashkboos et al., SliceGPT, 2024 (not read again;
    confirmed at ``fuse_ln_linear`` of the released code, microsoft/TransformerCompression).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> weight, gain, shift = np.array([[1.0, 2.0]]), np.array([3.0, 4.0]), np.array([10.0, 1.0])
    >>> refnorm.norm.fold_layer_norm(weight, gain, shift)
    (array([[3., 8.]]), array([12.]))
    >>> refnorm.norm.fold_layer_norm(weight, gain, shift, compressed=True)
    (array([[-5.]]), array([12.]))
    """
    xp, weight, gain, shift, bias, rotation = prepare(weight, gain, shift, bias, rotation)
    require_map(weight, weight.shape[-1], rotation, compressed)
    require_shape("gain", gain, weight.shape[1:])
    require_shape("shift", shift, weight.shape[1:])
    require_shape("bias", bias, weight.shape[:1])
    w, g, s, b, q = widen(xp, weight, gain, shift, bias, rotation)
    new = xp.zeros_like(w[:, 0]) if s is None else total(xp, w * s, roomy=roomy(weight, w))[:, 0]
    new = new if b is None else new + b
    w = w if g is None else w * g
    w = w if q is None else xp.matmul(w, q)
    w = w[:, :-1] - w[:, -1:] if compressed else w
    return give_back(xp, w, weight), give_back(xp, new, weight)


def norm_of(x, eps, mean=True):
    """Return rows normed in plain NumPy, for the laws."""
    c = x - x.mean(axis=1, keepdims=True) if mean else x
    return c / ((c * c).mean(axis=1, keepdims=True) + eps) ** 0.5


@law(fold_layer_norm, normal(5, 6), normal(4, 6), normal(6), normal(6), normal(4))
def behind_a_plain_layer_norm(f, x, weight, gain, shift, bias):
    w, b = f(weight, gain, shift, bias)
    return norm_of(x, 0.5) @ w.T + b, (norm_of(x, 0.5) * gain + shift) @ weight.T + bias


@law(fold_layer_norm, normal(5, 6), normal(4, 6), normal(6), normal(6), normal(4))
def behind_a_compressed_norm(f, x, weight, gain, shift, bias):
    w, b = f(weight, gain, shift, bias, compressed=True)
    return norm_of(x, 0.5)[:, :-1] @ w.T + b, (norm_of(x, 0.5) * gain + shift) @ weight.T + bias


@law(fold_layer_norm, normal(5, 6), normal(4, 6), normal(6), normal(6), normal(4), orthonormal(6, 6))
def behind_the_rms_norm_of_rotated_rows(f, x, weight, gain, shift, bias, rotation):
    w, b = f(weight, gain, shift, bias, rotation)
    rotated = (x - x.mean(axis=1, keepdims=True)) @ rotation
    return norm_of(rotated, 0.5, mean=False) @ w.T + b, (norm_of(x, 0.5) * gain + shift) @ weight.T + bias


@law(fold_layer_norm, normal(5, 6), normal(4, 6), normal(6), normal(6), normal(4), positive(6))
def a_norm_of_fixed_scale_is_gone(f, x, weight, gain, shift, bias, var):
    w, b = f(weight, gain / (var + 0.5) ** 0.5, shift, bias)
    return x @ w.T + b, (x / (var + 0.5) ** 0.5 * gain + shift) @ weight.T + bias


def recentred(xp, x, *, roomy):
    """Return x minus its mean along the last axis.

    What x - mean loses is the same for many elements, for they lie on one grid: it would not average out of a second
    mean, and elements near the mean would see it.
    """
    c, lost = two_sum(xp, x, -mean_of(xp, x, roomy=roomy))
    return c + (lost - mean_of(xp, c, roomy=roomy) - mean_of(xp, lost, roomy=roomy))


@operator(
    paper=("jiang2023pre", "ashkboos2024slicegpt"),
    cases=[
        case("matrix", normal(4, 7)),
        case("with a bias", normal(5, 3, mean=2.0), normal(5, mean=3.0)),
        case("offset", normal(33, 4, mean=1e4), normal(33, mean=1e4)),
        case("compressed", normal(5, 6, mean=1.0), normal(5), compressed=True),
        case("rotated", normal(6, 4, mean=1.0), normal(6), orthonormal(6, 6)),
    ],
    bench=case("with a bias", normal(1024, 1024), normal(1024)),
    rows=lambda x, rng: ([x.T, rng.normal(size=x.shape[1])], {}),
)
def recenter_output(weight, bias=None, rotation=None, /, *, compressed=False):
    r"""Change a linear map so that what it writes has mean zero: a layer norm behind it becomes an RMS norm.

    .. math:: W' = Q^\top \Bigl( I - \tfrac{1}{d} \mathbf{1} \mathbf{1}^\top \Bigr) W, \qquad
        b' = Q^\top \Bigl( I - \tfrac{1}{d} \mathbf{1} \mathbf{1}^\top \Bigr) b

    for the d outputs. In a residual network all maps that write to the main branch are changed, embeddings too: a
    table of shape (words, d) is given as its transpose. The maps that read it are changed by :func:`fold_layer_norm`.

    Parameters
    ----------
    weight : array of float16, bfloat16, float32 or float64
        The matrix W, of shape (outputs, inputs): ``y = W x + b``.
    bias : array, optional
        The bias b, of shape (outputs,); 0 where it is None.
    rotation : array, optional
        An orthogonal matrix Q of shape (outputs, outputs): the new output is ``y' @ Q`` of the recentred y'.
    compressed : bool
        Leave out the last output, as :func:`compress_zero_mean` does: it is minus the sum of the others.

    Returns
    -------
    tuple
        ``(weight, bias)`` in the dtype, library and device of `weight`; there is a bias in any case. A NaN or an
        infinity makes its column NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `compressed` is no bool.
    ValueError
        `weight` is no matrix or empty, another array has not its shape, or both `rotation` and `compressed` are given.

    References
    ----------
    Jiang et al., Pre-RMSNorm and Pre-CRMSNorm Transformers, 2023 (not read again; confirmed at
    ``LinearZeroMeanOutput`` of the released code). Ashkboos et al., SliceGPT, 2024 (not read again; confirmed at
    ``bake_mean_into_linear`` of the released code, microsoft/TransformerCompression).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.recenter_output(np.array([[1.0, 5.0], [3.0, 1.0]]), np.array([2.0, 0.0]))
    (array([[-1.,  2.],
           [ 1., -2.]]), array([ 1., -1.]))
    """
    xp, weight, bias, rotation = prepare(weight, bias, rotation)
    require_map(weight, weight.shape[0], rotation, compressed)
    require_shape("bias", bias, weight.shape[:1])
    w, b, q = widen(xp, weight, bias, rotation)
    spare = roomy(weight, w)
    columns = recentred(xp, xp.permute_dims(w, (1, 0)), roomy=spare)
    last = xp.zeros_like(w[:, 0]) if b is None else recentred(xp, b, roomy=spare)
    columns, last = (columns, last) if q is None else (xp.matmul(columns, q), xp.matmul(last, q))
    columns, last = (columns[:, :-1], last[:-1]) if compressed else (columns, last)
    return give_back(xp, xp.permute_dims(columns, (1, 0)), weight), give_back(xp, last, weight)


@law(recenter_output, normal(5, 4), normal(6, 4), normal(6))
def a_layer_norm_behind_it_is_an_rms_norm(f, x, weight, bias):
    w, b = f(weight, bias)
    return norm_of(x @ w.T + b, 0.5, mean=False), norm_of(x @ weight.T + bias, 0.5)


@law(recenter_output, normal(5, 4), normal(6, 4), normal(6))
def or_a_compressed_one(f, x, weight, bias):
    w, b = f(weight, bias, compressed=True)
    short = x @ w.T + b
    square = ((short**2).sum(axis=1, keepdims=True) + short.sum(axis=1, keepdims=True) ** 2) / 6
    return short / (square + 0.5) ** 0.5, norm_of(x @ weight.T + bias, 0.5)[:, :-1]


@law(recenter_output, normal(5, 4), normal(6, 4), normal(6), orthonormal(6, 6))
def or_one_of_rotated_rows(f, x, weight, bias, rotation):
    w, b = f(weight, bias, rotation)
    return norm_of(x @ w.T + b, 0.5, mean=False), norm_of(x @ weight.T + bias, 0.5) @ rotation


@operator(
    paper="ioffe2015batch",
    cases=[
        case("linear", normal(4, 7), normal(4), positive(4)),
        case("affine", normal(5, 3), normal(5), positive(5), normal(5), normal(5), normal(5), eps=0.5),
        case("convolution", normal(3, 2, 3, 3), normal(3), positive(3), None, normal(3), normal(3), eps=0.1),
        case("outputs last", normal(3, 2, 5), normal(5), positive(5), normal(5), None, normal(5), axis=-1, eps=0.1),
        case("gain alone", normal(3, 4, 2), normal(4), positive(4), normal(4), normal(4), axis=1, eps=2.0),
    ],
    bench=case("convolution", normal(256, 256, 3, 3), normal(256), positive(256), *[normal(256)] * 3),
    rows=lambda x, rng: ([x, x[:, 0], rng.uniform(50, 150, size=len(x)), *rng.normal(size=(3, len(x)))], {}),
)
def fold_batch_norm(weight, mean, var, bias=None, gain=None, shift=None, /, *, axis=0, eps=1e-5):
    r"""Take a batch norm with stored moments into the linear map or convolution before it.

    .. math:: W'_c = \frac{g_c}{\sqrt{\sigma_c^2 + \epsilon}} \, W_c, \qquad
        b'_c = (b_c - \mu_c) \, \frac{g_c}{\sqrt{\sigma_c^2 + \epsilon}} + s_c

    Parameters
    ----------
    weight : array of float16, bfloat16, float32 or float64
        The weight of the map, of any shape, with its outputs along `axis`.
    mean, var : array
        The running moments of the batch norm, of shape (outputs,).
    bias : array, optional
        The bias b of the map, of shape (outputs,); 0 where it is None.
    gain, shift : array, optional
        The weight g and the bias s of the batch norm, of shape (outputs,); 1 and 0 where they are None.
    axis : int
        The axis of the outputs: 0 for torch's Linear and Conv, 1 for its transposed convolutions of one group, -1 for
        Keras's.
    eps : float
        Added to the variance: that of the batch norm.

    Returns
    -------
    tuple
        ``(weight, bias)`` in the dtype, library and device of `weight`. Every output stands alone: one with var + eps
        below zero is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is no int.
    ValueError
        Another array has not the shape (outputs,), `axis` is missing or empty, or `eps` is negative.

    Notes
    -----
    A padded convolution is the same map after folding, for the norm comes behind it. A batch norm before a padded
    convolution is not folded so: zeros of the padding are no zeros of the normed data.

    References
    ----------
    Ioffe and Szegedy, Batch Normalization, 2015 (not read again: from memory, it says that the norm is a linear map
    at inference; confirmed against ``torch.nn.utils.fusion.fuse_conv_bn_weights``).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.fold_batch_norm(np.array([[2.0, 6.0]]), np.array([5.0]), np.array([4.0]), eps=0.0)
    (array([[1., 3.]]), array([-2.5]))
    """
    xp, weight, mean, var, bias, gain, shift = prepare(weight, mean, var, bias, gain, shift, need=3)
    require_along(weight, axis, eps)
    if isinstance(axis, tuple | list):
        raise TypeError(f"axis must be one int, the axis of the outputs, got {axis!r}")
    shape = (weight.shape[axis],)
    for name, one in dict(mean=mean, var=var, bias=bias, gain=gain, shift=shift).items():
        require_shape(name, one, shape)
    w, m, v, b, g, s = widen(xp, weight, mean, var, bias, gain, shift)
    root = xp.sqrt(v + eps)
    g = 1.0 if g is None else g
    new = (-m if b is None else b - m) / root * g
    new = new if s is None else new + s
    along = tuple(n if a == axis % w.ndim else 1 for a, n in enumerate(w.shape))
    w = w / xp.reshape(root, along) * (g if gain is None else xp.reshape(g, along))
    return give_back(xp, w, weight), give_back(xp, new, weight)


@law(fold_batch_norm, normal(6, 4), normal(3, 4), normal(3), positive(3), normal(3), normal(3), normal(3))
def the_norm_is_gone(f, x, weight, mean, var, bias, gain, shift):
    w, b = f(weight, mean, var, bias, gain, shift, eps=0.5)
    return x @ w.T + b, (x @ weight.T + bias - mean) / (var + 0.5) ** 0.5 * gain + shift


@law(fold_batch_norm, normal(3, 4), normal(3), positive(3))
def undone_by_its_own_affine_part_too(f, weight, mean, var):
    return f(weight, mean, var, 0 * mean, (var + 0.5) ** 0.5, mean, eps=0.5)[0], weight
