r"""Distance and similarity, with their derivatives.

**Distance** is the norm $N = \lVert d \rVert_p$ of a difference, and difference and sum are torch's own. The outer
power has the slope $\tfrac1p N^{1 - p}$, the inner one $p\, |d_i|^{p - 1} \operatorname{sign} d_i$:

$$ u_i = \frac{\partial N}{\partial d_i} = \operatorname{sign}(d_i) \left( \frac{|d_i|}{N} \right)^{p - 1} $$

which is $d_i / N$ for $p = 2$ and the sign for $p = 1$. It is 0 for $p = 0$, and for $p = \pm\infty$ the $m$ largest
or smallest $|d_i|$ share it evenly, $u_i = \operatorname{sign}(d_i) / m$. Where $N = 0$ there is a corner and, for
$p < 1$, also where $d_i = 0$; there $u_i = 0$. Backward is $g u_i$, and forward mode $\dot N = \sum_i u_i \dot d_i$;
of complex $d$, whose sign is $d_i / |d_i|$, the real part of $\sum_i \overline{u_i} \dot d_i$.

**Similarity.** Let $r_x = \lVert x \rVert$, $r_y = \lVert y \rVert$ be the lengths, which are outputs of the rule as
well since backward uses them, $n = \max(r, \varepsilon)$, whose derivative counts as 1, and

$$ s = \sum_i \frac{x_i}{n_x} \frac{y_i}{n_y}, \qquad
   \frac{\partial s}{\partial x_i} = \frac{y_i}{n_x n_y} - \frac{s}{n_x} \frac{\partial r_x}{\partial x_i}, \qquad
   \frac{\partial r_x}{\partial x_i} = \frac{x_i}{r_x} $$

since a length divides all numbers alike, $\partial s / \partial n_x = -s / n_x$. With the gradients $g$ of $s$ and
$h_x$ of $r_x$ the backward pass is

$$ \frac{\partial L}{\partial x_i} = \frac{g}{n_x n_y}\, y_i + \frac{1}{r_x} \left( h_x - \frac{g s}{n_x} \right) x_i $$

the second term 0 where $r_x = 0$; likewise for $y$. Forward mode has the same terms, with $\dot r_x = \sum_i x_i
\dot x_i / r_x$ and

$$ \dot s = \frac{1}{n_x n_y} \sum_i (\dot x_i y_i + x_i \dot y_i) - s \left( \frac{\dot n_x}{n_x} +
   \frac{\dot n_y}{n_y} \right) $$

where $\dot n = \dot r$, but 0 where $r < \varepsilon$ and half of it where they are equal: here, unlike in its backward
pass, torch differentiates the maximum.
"""

import math
from typing import Any, NoReturn

import torch
from torch import Tensor

from conceptlab.core import ElementwiseRule, Rule, is_recorded, message, room, save, wide


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    if not isinstance(p, int | float):
        _refuse("pairwise_distance", TypeError, "argument 'p' must be float", "a number", repr(p))
    distance = _Norm.call(wide(x1) - wide(x2) + eps, p, keepdim)
    return distance.to(_dtype(x1, x2)) if {x1.dtype, x2.dtype} & {torch.float16, torch.bfloat16} else distance


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    dtype = torch.promote_types(x1.dtype, x2.dtype)
    if not dtype.is_floating_point:
        _refuse("cosine_similarity", RuntimeError, "expected common dtype to be floating point", "fractions", dtype)
    if not eps >= 0:
        _refuse("cosine_similarity", RuntimeError, "eps must be non-negative", "eps >= 0", f"got: {eps}")
    vectors = [wide(z if z.is_floating_point() else z.to(dtype)) for z in (x1, x2)]
    similarity, *_ = _Cosine.call(*_of_one_length(vectors, dim), dim, eps)
    # a sum over one number, and no view: whoever overwrites it may not reach what backward needs
    return similarity.sum(dim).to(dtype)


class _Norm(Rule):
    """Of the last axis."""

    @staticmethod
    def forward(d: Tensor, p: float, keepdim: bool) -> Tensor:
        return torch.linalg.vector_norm(d, p, -1, keepdim=keepdim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        d, ctx.p, keepdim = inputs
        ctx.lacks_axis = d.dim() > 0 and not keepdim
        save(ctx, d, output)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, None, None]:
        if ctx.p == 0:
            return None, None, None
        d, norm = ctx.saved_tensors
        if ctx.lacks_axis:
            g, norm = g.unsqueeze(-1), norm.unsqueeze(-1)
        of_each, of_all = _slope(d, norm, ctx.p)
        return of_each * (g * of_all), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        d, norm = ctx.saved_tensors
        of_each, of_all = _slope(d, norm.unsqueeze(-1) if ctx.lacks_axis else norm, ctx.p)
        norm_t = (of_each.conj() * tangent).real.sum(-1, keepdim=True) * of_all
        return norm_t.squeeze(-1) if ctx.lacks_axis else norm_t


def _dtype(x1: Tensor, x2: Tensor) -> torch.dtype:
    """The dtype of a real norm of their difference, asked of tensors without numbers."""
    one, other = (x.new_empty((0,) if x.dim() else ()) for x in (x1, x2))
    return (one - other).abs().dtype


def _slope(d: Tensor, norm: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """∂N/∂d as a product, of one number for each d and one for each N."""
    if p == 0:
        return torch.zeros_like(d), torch.ones_like(norm)
    if p == 1:
        return d.sgn(), torch.ones_like(norm)
    if p == 2:
        return d, norm.reciprocal().masked_fill(norm == 0, 0)
    size = d.abs()
    if math.isinf(p):
        # NaN is equal to nothing, not to itself either
        is_extreme = ((size == norm) | size.isnan()).to(norm.dtype)
        return d.sgn() * is_extreme, is_extreme.sum(-1, keepdim=True).reciprocal()
    if p < 1:
        return d.sgn() * size.pow(p - 1).masked_fill(size == 0, 0), norm.pow(1 - p)
    return d.sgn() * size.pow(p - 1), norm.pow(1 - p).masked_fill(norm == 0, 0)


class _Cosine(Rule):
    """Outputs s and both lengths, which have one number along ``dim``."""

    @staticmethod
    def forward(x: Tensor, y: Tensor, dim: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        r_x, r_y = (torch.linalg.vector_norm(z, 2, dim, keepdim=True) for z in (x, y))
        # divided first: of long vectors the product alone would overflow
        direction = x / r_x.clamp_min(eps)
        products = torch.mul(direction, y, out=room(direction) if x.shape == y.shape else None)
        return products.sum(dim, keepdim=True) / r_y.clamp_min(eps), r_x, r_y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        x, y, ctx.dim, ctx.eps = inputs
        save(ctx, x, y, *output)
        ctx.materialize_grads = False

    @staticmethod
    def backward(
        ctx: Any, g: Tensor | None, h_x: Tensor | None, h_y: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, y, s, r_x, r_y = ctx.saved_tensors
        n_x, n_y = _at_least(r_x, ctx.eps), _at_least(r_y, ctx.eps)
        g = torch.zeros_like(s) if g is None else g
        gs, by_both = g * s, g / n_x / n_y
        needs_x, needs_y, *_ = ctx.needs_input_grad
        grad_x = _by_one(x, y, r_x, h_x, by_both, gs / n_x) if needs_x else None
        grad_y = _by_one(y, x, r_y, h_y, by_both, gs / n_y) if needs_y else None
        return grad_x, grad_y, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, y_t: Tensor | None, *_: None) -> tuple[Tensor, Tensor, Tensor]:
        x, y, s, r_x, r_y = ctx.saved_tensors
        n_x, n_y = r_x.clamp_min(ctx.eps), r_y.clamp_min(ctx.eps)
        x_t, y_t = (torch.zeros_like(z) if t is None else t for z, t in ((x, x_t), (y, y_t)))
        r_x_t, r_y_t = (
            (_inverse(r) * (z * t)).sum(ctx.dim, keepdim=True) for z, t, r in ((x, x_t, r_x), (y, y_t, r_y))
        )
        straight = (x_t * y + x * y_t).sum(ctx.dim, keepdim=True) / n_x / n_y
        n_x_t, n_y_t = (r_t * _slope_of_maximum(r, ctx.eps) for r_t, r in ((r_x_t, r_x), (r_y_t, r_y)))
        return straight - s * (n_x_t / n_x + n_y_t / n_y), r_x_t, r_y_t


def _by_one(x: Tensor, y: Tensor, r: Tensor, h: Tensor | None, by_both: Tensor, by_length: Tensor) -> Tensor:
    """∂L/∂x, where y is the other vector."""
    straight = (y * by_both).sum_to_size(x.shape)
    by_r = -by_length.sum_to_size(r.shape)
    return torch.addcmul(straight, x, (by_r if h is None else h + by_r) * _inverse(r), out=room(straight))


def _inverse(r: Tensor) -> Tensor:
    """1 / r, and 0 for the vector without length, which has no direction."""
    return r.reciprocal().masked_fill(r == 0, 0)


def _slope_of_maximum(r: Tensor, eps: float) -> Tensor:
    """∂max(r, ε)/∂r: 0, 1, and a half where the two are equal."""
    return ((r > eps).to(r.dtype) + (r >= eps).to(r.dtype)) / 2


def _at_least(r: Tensor, eps: float) -> Tensor:
    return _AtLeast.call(r, eps) if is_recorded() else r.clamp_min(eps)


class _AtLeast(ElementwiseRule):
    """max(r, ε), with the derivative of r everywhere, as torch has it."""

    @staticmethod
    def forward(r: Tensor, eps: float) -> Tensor:
        return r.clamp_min(eps)

    @staticmethod
    def times_slope(v: Tensor, r: Tensor, eps: float) -> Tensor:
        return v


def _of_one_length(vectors: list[Tensor], dim: int) -> list[Tensor]:
    """Both with as many axes and, along ``dim``, as many numbers; the other axes may still broadcast."""
    try:
        shape = torch.broadcast_shapes(*(z.shape for z in vectors))
    except RuntimeError:
        sizes = " and ".join(str(tuple(z.shape)) for z in vectors)
        _refuse("cosine_similarity", RuntimeError, "The sizes of tensors must match", "sizes that broadcast", sizes)
    D = max(len(shape), 1)
    if not -D <= dim < D:
        expected = f"Dimension out of range (expected to be in range of [{-D}, {D - 1}]"
        _refuse("cosine_similarity", IndexError, expected, f"an axis of {tuple(shape)} as dim", f"got {dim}")
    if vectors[0].shape == vectors[1].shape:
        return vectors
    both = []
    for z in vectors:
        own = [1] * (len(shape) - z.dim()) + list(z.shape)
        own[dim] = shape[dim]
        both.append(z.expand(own))
    return both


def _refuse(where: str, error: type[Exception], problem: str, expected: str, received: object) -> NoReturn:
    remedy = "conceptlab's page of distance tells shapes and dtypes."
    raise error(message(f"{where}: {problem}", expected=expected, received=str(received), remedy=remedy))
