r"""silu, gelu, mish and glu: the input, let through as far as a gate is open. With their derivatives.

The gate of the first three is a function of the input itself, so that the product rule gives two terms. With the
standard normal distribution $\Phi$ and its density $\varphi$, and $(1 + \tanh u) / 2 = \sigma(2u)$,

| function | | slope | because |
|---|---|---|---|
| silu | $x \sigma$ | $\sigma + \sigma \, (x - x \sigma)$ | $\sigma' = \sigma (1 - \sigma)$ |
| gelu | $x \, \Phi(x)$ | $\Phi(x) + x \, \varphi(x)$ | $\Phi' = \varphi = e^{-x^2 / 2} / \sqrt{2 \pi}$ |
| gelu, tanh | $x s$, $s = \sigma(w)$, $w = 2u$ | $s + s \, (x - x s) \, w'(x)$ | $s' = s (1 - s) \, w'$ |
| mish | $x t$, $t = \tanh(\log(1 + e^x))$ | $t + x \sigma (1 - t^2)$ | $t' = (1 - t^2) \, e^x / (1 + e^x)$ |

$t$ takes one exponential. With $e = e^x$ and $e^{2 \log(1 + e)} = (1 + e)^2$,

$$ t = \frac{(1 + e)^2 - 1}{(1 + e)^2 + 1} = \frac{n}{n + 2}, \qquad n = e \, (e + 2) $$

where nothing cancels. From $x = 20$ on it is 1 in any precision, and $e^x$ is not let grow beyond $e^{25}$.

**gelu** by the error function: with $h = x / \sqrt 2$ and $e = \operatorname{erf} h$ it is $\Phi = (1 + e) / 2$, so
that $x\,\Phi = (h + h e) / \sqrt 2$, and the slope is half of $1 + e + x \sqrt{2 / \pi}\; e^{-h^2}$.

**glu** has its gate in the second half of the input: $y = a \, \sigma(b)$. Each half has a gradient of its own,

$$ \frac{\partial L}{\partial a} = g \, \sigma(b), \qquad
   \frac{\partial L}{\partial b} = g \, a \, \sigma'(b) = g \, \sigma(b) \; a \, (1 - \sigma(b)), \qquad
   \dot y = \sigma(b) \, \bigl( \dot a + a \, (1 - \sigma(b)) \, \dot b \bigr) $$
"""

import math
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.sigmoid.handmade.shared import real, times
from conceptlab.concepts.sigmoid.handmade.squashing import sigma
from conceptlab.core import ElementwiseRule, Rule, exp, message, room, save, wide


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    # in place the input is overwritten, which the derivative needs: the rule gets a copy
    output = _SiLU.call(real("silu", input.clone() if inplace else input))
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
    return rule.call(real("gelu", input))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    output = _Mish.call(real("mish", input.clone() if inplace else input))
    return input.copy_(output) if inplace else output


def glu(input: Tensor, dim: int = -1) -> Tensor:
    real("glu", input)
    if input.dim() == 0:
        raise RuntimeError(
            message(
                "glu does not support scalars because halving size must be even",
                expected="an input with at least one axis",
                received="a tensor without axes",
                remedy="Give both halves in one axis, which dim names.",
            )
        )
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(
            message(
                "glu: Halving dimension must be even",
                expected="two halves of one size",
                received=f"dimension {dim} is size {size} of shape {tuple(input.shape)}",
                remedy="The first half is let through by the second: give it as many features again.",
            )
        )
    return _GLU.call(input, dim)


class _SiLU(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x)
        return (z / exp(z, -1).add_(1)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        z = wide(x)
        s = sigma(z)
        rest = torch.addcmul(z, z, s, value=-1)
        return times(v, torch.addcmul(s, s, rest, out=room(rest))).to(x.dtype)


class _GELU(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        h = wide(x) * math.sqrt(0.5)
        e = torch.erf(h)
        return torch.addcmul(h, h, e, out=room(e)).mul_(math.sqrt(0.5)).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        z = wide(x)
        h = z * math.sqrt(0.5)
        e = torch.erf(h)
        squared = torch.mul(h, h, out=room(h))
        bell = exp(squared, -1, room=room(squared))
        twice = torch.addcmul(e, z, bell, value=math.sqrt(2 / math.pi), out=room(bell))
        return torch.addcmul(v, v, twice, out=room(twice)).mul_(0.5).to(x.dtype)


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
        s = sigma(w)
        rest = torch.addcmul(z, z, s, value=-1)
        return times(v, torch.addcmul(s, times(s, slope), rest, out=room(rest))).to(x.dtype)


def _exponent(x: Tensor) -> tuple[Tensor, Tensor]:
    """w = 2u, and its slope w′: c x + d x³ and c + 3 d x²."""
    c = 2 * math.sqrt(2 / math.pi)
    cubic = (x * x) * (0.044715 * c)
    return (cubic + c) * x, cubic * 3 + c


class _Mish(ElementwiseRule):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        z = wide(x)
        return times(z, _tanh_of_softplus(_bounded_exp(z))).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor) -> Tensor:
        z = wide(x)
        e = _bounded_exp(z)
        t = _tanh_of_softplus(e)
        d = e + 1
        inner = times(z, torch.div(e, d, out=room(d)))
        squared = t * t
        rest = torch.addcmul(inner, inner, squared, value=-1, out=room(squared))
        return times(v, torch.add(t, rest, out=room(rest))).to(x.dtype)


def _bounded_exp(z: Tensor) -> Tensor:
    bounded = z.clamp(max=25)
    return exp(bounded, room=room(bounded))


def _tanh_of_softplus(e: Tensor) -> Tensor:
    n = times(e, e + 2)
    d = n + 2
    return torch.div(n, d, out=room(d))


class _GLU(Rule):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        a, b = _halves(x, dim)
        return times(a, sigma(b)).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        a, b = _halves(x, ctx.dim)
        s = sigma(b)
        rest = times(a, 1 - s)
        grad_a = times(grad_output, s)
        return torch.cat([grad_a, times(grad_a, rest)], ctx.dim).to(x.dtype), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (x,) = ctx.saved_tensors
        a, b = _halves(x, ctx.dim)
        s = sigma(b)
        a_tangent, b_tangent = _halves(tangent, ctx.dim)
        return (s * (a_tangent + a * (1 - s) * b_tangent)).to(x.dtype)


def _halves(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    a, b = wide(x).chunk(2, dim)
    return a, b
