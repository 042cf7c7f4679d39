r"""Sigmoid and its kin, with their derivatives.

Each acts on an element by itself, so the derivative is a slope. From $\sigma = (1 + e^{-x})^{-1}$ follows

$$ \sigma'(x) = \frac{e^{-x}}{(1 + e^{-x})^2} = \sigma (1 - \sigma), \qquad 1 - \sigma(x) = \sigma(-x) $$

and from these two all others:

| function | slope | because |
|---|---|---|
| sigmoid | $(1 - y) \, y$ | $y = \sigma$ |
| tanh | $1 - y^2$ | $y = 2 \sigma(2x) - 1$, so $y' = 4 \sigma (1 - \sigma) = (1 + y)(1 - y)$ |
| logsigmoid | $\sigma(-x)$ | $\sigma' / \sigma = 1 - \sigma$ |
| softplus | $\sigma(\beta x)$; 1 above the threshold | softplus is $-\log \sigma(-\beta x) / \beta$ |
| silu | $\sigma + \sigma \, (x - x \sigma)$ | product rule |
| gelu | $\Phi(x) + x \, \varphi(x)$ | $\Phi' = \varphi = e^{-x^2 / 2} / \sqrt{2 \pi}$ |
| gelu, tanh | $s + s \, (x - x s) \, w'(x)$ | it is $x s$ with $s = \sigma(w)$, $w = 2u$ |

The last row is by $(1 + \tanh u) / 2 = \sigma(2u)$.

Three points of care. In $1 / (1 + e^{-x})$ an infinite exponential is harmless, it gives 0. In $\tanh = e / (e + 2)$
with $e = e^{2x} - 1$ it is not, so that $x$ is limited to ±20, where $\tanh$ is ±1 in any precision; and $e$ comes
from ``expm1``, since $e^{2x} - 1$ would cancel near 0. And a second derivative of $1 / (1 + e^{-x})$, left to autograd,
would multiply 0 and ∞: slopes take $\sigma$ from its rule.
"""

import math

import torch
from torch import Tensor

from conceptlab.core import (
    ElementwiseRule,
    exp,
    indicator,
    is_recorded,
    keep,
    mask,
    message,
    others,
    require_floating,
    require_real,
    room,
    wide,
)


def sigmoid(input: Tensor) -> Tensor:
    return _Sigmoid.call(_numbers("sigmoid", input))


def tanh(input: Tensor) -> Tensor:
    return _Tanh.call(_numbers("tanh", input))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    return _Softplus.call(_real("softplus", input), beta, threshold)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    # in place the input is overwritten, which the derivative needs: the rule gets a copy
    output = _SiLU.call(_real("silu", input.clone() if inplace else input))
    return input.copy_(output) if inplace else output


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    if approximate not in ("none", "tanh"):
        raise RuntimeError(
            message(
                "gelu",
                expected="approximate argument must be either none or tanh",
                received=repr(approximate),
                remedy="Choose one of the two.",
            )
        )
    rule = _GELU if approximate == "none" else _GELUByTanh
    return rule.call(_real("gelu", input))


def logsigmoid(input: Tensor) -> Tensor:
    return _LogSigmoid.call(_real("logsigmoid", input))


class _Sigmoid(ElementwiseRule):
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return exp(wide(x), -1).add_(1).reciprocal_().to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, y: Tensor) -> Tensor:
        w = wide(y)
        return _times(v, _times(w, 1 - w)).to(y.dtype)


class _Tanh(ElementwiseRule):
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        e = wide(x).clamp(-20, 20).mul_(2).expm1_()
        return e.div_(e + 2).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, y: Tensor) -> Tensor:
        w = wide(y)
        return _times(v, 1 - w * w).to(y.dtype)


class _LogSigmoid(ElementwiseRule):
    """min(x, 0) − log(1 + exp(−|x|))."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x).contiguous()  # as torch's result is, for channels-last inputs too
        return z.clamp(max=0).sub_(exp(z.abs(), -1).log1p_()).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        return _times(v, _sigmoid(-wide(x))).to(x.dtype)


class _Softplus(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor, beta: float, threshold: float) -> Tensor:
        z = wide(x) * beta
        linear = mask(indicator(z, ">", threshold))
        bent = exp(z).log1p_().div_(beta)
        return keep(bent, others(linear)).add_(keep(wide(x), linear)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
        z = wide(x) * beta
        bent = mask(indicator(z, ">", threshold), unless=True)
        # σ below the threshold, 1 above it
        below = keep(_sigmoid(z), bent)
        return _times(v, torch.add(below, indicator(z, ">", threshold), out=room(below))).to(x.dtype)


class _SiLU(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x)
        return (z / exp(z, -1).add_(1)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        z = wide(x)
        s = _sigmoid(z)
        rest = torch.addcmul(z, z, s, value=-1)
        return _times(v, torch.addcmul(s, s, rest, out=room(rest))).to(x.dtype)


class _GELU(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x)
        return (z * math.sqrt(0.5)).erf_().add_(1).mul_(z).mul_(0.5).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        z = wide(x)
        Phi = (z * math.sqrt(0.5)).erf_().add_(1).mul_(0.5)
        phi = exp(z * z, -0.5)
        slope = torch.addcmul(Phi, z, phi, value=1 / math.sqrt(2 * math.pi), out=room(phi))
        return _times(v, slope).to(x.dtype)


class _GELUByTanh(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x)
        w, _ = _exponent(z)
        return (z / exp(w, -1).add_(1)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        z = wide(x)
        w, slope = _exponent(z)
        s = _sigmoid(w)
        rest = torch.addcmul(z, z, s, value=-1)
        return _times(v, torch.addcmul(s, _times(s, slope), rest, out=room(rest))).to(x.dtype)


def _exponent(x: Tensor) -> tuple[Tensor, Tensor]:
    """w = 2u, and its slope w′: c x + d x³ and c + 3 d x²."""
    c = 2 * math.sqrt(2 / math.pi)
    cubic = (x * x) * (0.044715 * c)
    return (cubic + c) * x, cubic * 3 + c


def _sigmoid(x: Tensor) -> Tensor:
    """The sigmoid within a derivative: as a rule only where it may be differentiated again."""
    return _Sigmoid.call(x) if is_recorded() else _Sigmoid.forward(x)


def _times(v: Tensor, temporary: Tensor) -> Tensor:
    return torch.mul(v, temporary, out=room(temporary))


def _numbers(where: str, input: Tensor) -> Tensor:
    """Integers as floating-point numbers."""
    if input.is_floating_point() or input.is_complex():
        return _real(where, input)
    return input.to(torch.get_default_dtype())


def _real(where: str, input: Tensor) -> Tensor:
    require_floating(where, input)
    require_real(where, input)
    return input
