r"""Initialization, with the reason for each size.

**The variance of a layer's output.** Let $y_o = \sum_{i=1}^{n} w_{oi} x_i$ with weights of mean 0 and variance
$\sigma^2$, independent of each other and of the $x_i$. The terms are uncorrelated and have mean 0, so that

$$ \operatorname{Var} y_o = n\, \sigma^2\, \mathrm E[x_i^2], \qquad n = n_{in}. $$

*Kaiming.* Let the input come out of a rectifier of slope $a$ below zero, $x = f(z)$ with $z$ symmetric around 0. Half
of the time $x = z$, half of the time $x = a z$: $\mathrm E[x^2] = \tfrac12 (1 + a^2) \operatorname{Var} z$. The
variance stays from layer to layer, $\operatorname{Var} y = \operatorname{Var} z$, if

$$ \sigma^2 = \frac{2}{1 + a^2} \cdot \frac1n = \frac{\text{gain}^2}{n}
   \qquad\Rightarrow\qquad \sigma = \text{gain} / \sqrt{n}. $$

Gradients run through the same weights backwards, $\partial L / \partial x_i = \sum_o g_o w_{oi}$, a sum of $n_{out}$
terms: the same result with $n = n_{out}$.

*Xavier.* Both at once ask for $\sigma^2 = \text{gain}^2 / n_{in}$ and $\sigma^2 = \text{gain}^2 / n_{out}$. The
harmonic mean of the two gives $\sigma = \text{gain} \sqrt{2 / (n_{in} + n_{out})}$.

*Uniform.* $U(-c, c)$ has the variance $\frac{1}{2c} \int_{-c}^{c} w^2\, dw = c^2 / 3$, hence $c = \sqrt 3\, \sigma$.

**A truncated normal.** Two ways to draw from $N(\mu, s^2)$ given that the draw is in $[a, b]$, both by rejection. Where
the bell has more than 0.3 of its area inside, draw from the whole bell and reject what falls outside. Where it has
less, that would take long; draw $x$ from $U(a, b)$ and accept it with probability $\varphi(x) / \varphi(m)$, the
density at $x$ as a share of its maximum in $[a, b]$, at the mode $m$: reject if
$\log u > -\tfrac12 (\frac{x - \mu}{s})^2 + \tfrac12 (\frac{m - \mu}{s})^2$ for a $u$ from $U(0, 1)$.

**An orthogonal matrix**, by Gram and Schmidt: take from each column $a_j$ what lies along the columns before it, and
give the rest, which is at right angles to them, the length 1:

$$ v = a_j - Q Q^\top a_j, \qquad q_j = v / \lVert v \rVert, \qquad Q = (q_1, \dots, q_{j-1}) $$

So $a_j = \lVert v \rVert\, q_j + Q (Q^\top a_j)$, which are the columns of $A = QR$ with a positive diagonal. Where
little of $a_j$ is left, $v$ is mostly rounding, and no longer at right angles; done a second time, with the result in
the place of $a_j$, it is, as far as rounding goes. Columns are taken block by block, so that most of it is products of
matrices.
"""

import math

import torch
from torch import Generator, Tensor

from conceptlab.core import did_you_mean, message, warn

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d"), 1),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1),
    "sigmoid": 1,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + _slope(param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            message(
                f"calculate_gain: Unsupported nonlinearity {nonlinearity}",
                expected="the name of an activation or of a linear layer",
                received=repr(nonlinearity),
                remedy=did_you_mean(str(nonlinearity), [*_GAINS, "leaky_relu"]),
            )
        )
    return _GAINS[nonlinearity]


@torch.no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    return tensor.uniform_(a, b, generator=generator)


@torch.no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    return tensor.normal_(mean, std, generator=generator)


@torch.no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    if tensor.is_meta:
        return tensor  # without values there is nothing to reject
    if mean < a - 2 * std or mean > b + 2 * std:
        warn(
            "mean is more than 2 std from [a, b] in trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=3,
        )
    inside = _area_below((b - mean) / std) - _area_below((a - mean) / std)
    draw = _reject_outside if inside > 0.3 else _reject_by_density
    return draw(tensor, mean, std, a, b, generator)


@torch.no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 1)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    c = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -c, c, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    if 0 in tensor.shape:
        return _unchanged(tensor)
    c = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -c, c, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    if 0 in tensor.shape:
        return _unchanged(tensor)
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@torch.no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    if tensor.dim() < 2:
        raise ValueError(
            message(
                "orthogonal_: Only tensors with 2 or more dimensions are supported",
                expected="a weight (out, in, *kernel)",
                received=f"shape {tuple(tensor.shape)}",
                remedy="For a bias take uniform_, normal_ or zeros_.",
            )
        )
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    matrix = tensor.view(len(tensor), -1)
    draws = normal_(torch.empty_like(matrix, memory_format=torch.contiguous_format), generator=generator)
    if tensor.dtype not in (torch.float32, torch.float64):
        # as torch has it: a kind of number that cannot be drawn was refused by the draw
        raise NotImplementedError(
            message(
                f"orthogonal_ not implemented for '{tensor.dtype}'",
                expected="float32 or float64",
                received=str(tensor.dtype),
                remedy="Fill a tensor in float32, and convert it.",
            )
        )
    rows, columns = draws.shape
    Q = _orthonormal(draws.t().contiguous()).t() if rows >= columns else _orthonormal(draws)
    matrix.copy_(Q).mul_(gain)
    return tensor


_BLOCK = 32


def _orthonormal(A: Tensor) -> Tensor:
    """The columns of the derivation as rows, which lie together in memory: Qᵀ of Aᵀ = QR."""
    Q = torch.empty_like(A)
    for start in range(0, len(A), _BLOCK):
        before, block = Q[:start], A[start : start + _BLOCK]
        for _ in range(2):
            block = _one_by_one(block - block @ before.t() @ before)
        Q[start : start + _BLOCK] = block
    return Q


def _one_by_one(A: Tensor) -> Tensor:
    Q = torch.empty_like(A)
    for j, (a, q) in enumerate(zip(A, Q, strict=True)):
        before = Q[:j]
        v = torch.addmv(a, before.t(), before @ a, alpha=-1)
        torch.div(v, torch.linalg.vector_norm(v), out=q)
    return Q


def _slope(param: float | None) -> float:
    if param is None:
        return 0.01
    # a bool is an int to Python
    if isinstance(param, bool) or not isinstance(param, int | float):
        raise ValueError(
            message(
                f"calculate_gain: negative_slope {param} not a valid number",
                expected="an int or a float",
                received=repr(param),
                remedy="Give the slope that leaky_relu has below zero.",
            )
        )
    return param


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / sum(_fans(tensor)))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(
            message(
                f"kaiming initialization: Mode {mode} not supported",
                expected="'fan_in' or 'fan_out'",
                received=repr(mode),
                remedy="'fan_in' keeps the size of the signals, 'fan_out' that of the gradients.",
            )
        )
    fan_in, fan_out = _fans(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode.lower() == "fan_in" else fan_out)


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many weights lead to one output, and how many from one input."""
    if tensor.dim() < 2:
        raise ValueError(
            message(
                "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
                expected="a weight (out, in, *kernel)",
                received=f"shape {tuple(tensor.shape)}",
                remedy="For a bias take uniform_, normal_ or zeros_.",
            )
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def _unchanged(tensor: Tensor) -> Tensor:
    warn("Initializing zero-element tensors is a no-op", stacklevel=4)
    return tensor


def _area_below(z: float) -> float:
    """The area of the standard normal's bell below z."""
    return (1 + math.erf(z / math.sqrt(2))) / 2


# To draw until all draws are accepted is to wait for the device's answer, again and again: the two functions below are
# the only ones here that do. There is no other way to torch's own numbers.
def _reject_outside(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None) -> Tensor:
    # the bounds as the tensor's dtype has them, so that a rounded draw can lie on one
    low, high = (torch.full((), bound, dtype=tensor.dtype) for bound in (a, b))
    values = tensor.normal_(mean, std, generator=generator)
    while (outside := (values < low) | (values > high)).any():
        values = torch.where(outside, torch.empty_like(values).normal_(mean, std, generator=generator), values)
    return tensor.copy_(values)


def _reject_by_density(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    values = tensor.uniform_(a, b, generator=generator)
    x, log_u = values.clone(), torch.empty_like(values)
    pending = torch.ones_like(values, dtype=torch.bool)
    while True:
        log_density = x.sub_(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
        pending &= log_u.uniform_(generator=generator).log_() > log_density
        if not pending.any():
            return tensor.copy_(values)
        values = torch.where(pending, x.uniform_(a, b, generator=generator), values)
