r"""Vectors of length 1, with their derivative.

**Forward.** Along the axes ``dim`` the values $x_i$ are one vector. It is divided by its length, but by $\varepsilon$
at least:

$$ y_i = \frac{x_i}{D}, \qquad D = \max(N, \varepsilon), \qquad N = \Bigl( \sum_i |x_i|^p \Bigr)^{1/p} $$

$N$ is the largest $|x_i|$ for $p = \infty$, the smallest for $-\infty$, and how many are not 0 for $p = 0$.

**Backward.** Let $g_i = \partial L / \partial y_i$. $x_i$ reaches $L$ straight, with slope $1 / D$, and through $N$,
an output of the rule as well since backward uses it. $g_N$ is what comes in through it from outside; and where $N$ is
no larger than $\varepsilon$, $D$ does not depend on it:

$$ \frac{\partial L}{\partial N} = g_N - [N > \varepsilon]\, \frac{1}{D^2} \sum_i g_i x_i, \qquad
   \frac{\partial L}{\partial x_i} = \frac{g_i}{D} + \frac{\partial L}{\partial N}\, \frac{\partial N}{\partial x_i} $$

The outer power has the slope $\tfrac1p N^{1 - p}$, the inner one $p\, |x_i|^{p-1} \operatorname{sign} x_i$:

$$ \frac{\partial N}{\partial x_i} = \operatorname{sign}(x_i) \left( \frac{|x_i|}{N} \right)^{p - 1} $$

which is $x_i / N$ for $p = 2$ and the sign for $p = 1$. Where $x_i = 0$ it is 0, for $p < 1$ by agreement. For $p = 0$
it is 0 everywhere, and for $p = \pm\infty$ only those $x_i$ count that are the largest or smallest, which share it
evenly. $N$ may be 0, and $D$ stands in its place: where they differ, the factor in front is 0.

**Forward mode**: $\dot N = \sum_i \tfrac{\partial N}{\partial x_i} \dot x_i$, and $\dot y_i = \tfrac1D (\dot x_i - y_i
[N > \varepsilon] \dot N)$.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.normalization.handmade.refusal import refuse
from conceptlab.core import Rule, require_real, room, save, wide


def normalize(
    input: Tensor, p: float = 2.0, dim: int | Sequence[int] | None = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    require_real("normalize", input)
    if not input.is_floating_point():
        problem = "Expected a floating point or complex tensor as input"
        refuse("normalize", RuntimeError, problem, "for instance input.float()", input.dtype)
    if not isinstance(p, int | float):
        refuse("normalize", NotImplementedError, "the norm by hand", "p as a number", repr(p))
    dims = (dim,) if isinstance(dim, int) else tuple(dim or range(input.dim()))
    if out is None:
        return _Normalize.call(input, p, eps, *dims)[0]
    # torch refuses what is to be differentiated here, and fits the size of `out`
    return torch.div(input, _norm(input, p, dims).clamp_min(eps), out=out)


class _Normalize(Rule):
    """Outputs y and N."""

    @staticmethod
    def forward(x: Tensor, p: float, eps: float, *dims: int) -> tuple[Tensor, Tensor]:
        z = wide(x)
        norm = _norm(z, p, dims)
        return (z / norm.clamp_min(eps)).to(x.dtype), norm

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, ctx.p, ctx.eps, *dims = inputs
        ctx.dims = tuple(dims)
        save(ctx, x, output[1])
        ctx.materialize_grads = False

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, g_norm: Tensor | None) -> tuple[Tensor | None, ...]:
        x, norm = ctx.saved_tensors
        z, length = wide(x), norm.clamp_min(ctx.eps)
        g = torch.zeros_like(z) if g is None else wide(g)
        grad_x = g / length
        if ctx.p != 0:  # whose N is constant; 0 times what may be infinite is not 0
            by_length = -(g * z).sum(ctx.dims, keepdim=True) / length / length
            by_norm = torch.where(norm > ctx.eps, by_length, 0)
            if g_norm is not None:
                by_norm = by_norm + g_norm
            of_each, of_all = _slope(z, norm, length, ctx.p, ctx.dims)
            grad_x = torch.addcmul(grad_x, of_each, by_norm * of_all, out=room(grad_x))
        return grad_x.to(x.dtype), *[None] * (2 + len(ctx.dims))

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, Tensor]:
        x, norm = ctx.saved_tensors
        z, z_t, length = wide(x), wide(x_t), norm.clamp_min(ctx.eps)
        if ctx.p == 0:
            return (z_t / length).to(x.dtype), torch.zeros_like(norm)
        of_each, of_all = _slope(z, norm, length, ctx.p, ctx.dims)
        norm_t = (of_each * z_t).sum(ctx.dims, keepdim=True) * of_all
        length_t = torch.where(norm > ctx.eps, norm_t, 0)
        return ((z_t - z / length * length_t) / length).to(x.dtype), norm_t


def _norm(z: Tensor, p: float, dims: tuple[int, ...]) -> Tensor:
    return torch.linalg.vector_norm(z, p, dims, keepdim=True)


def _slope(z: Tensor, norm: Tensor, length: Tensor, p: float, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """∂N/∂x as a product, of one number for each x and one for each N."""
    if p == 2:
        return z, length.reciprocal()
    if p == 1:
        return z.sign(), torch.ones_like(norm)
    size = z.abs()
    if math.isinf(p):
        is_extreme = (size == norm).to(z.dtype)
        return z.sign() * is_extreme, is_extreme.sum(dims, keepdim=True).reciprocal()
    power = size.pow(p - 1)
    return z.sign() * (power.masked_fill(size == 0, 0) if p < 1 else power), length.pow(1 - p)
