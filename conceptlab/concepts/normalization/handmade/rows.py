r"""Layer and RMS normalization, with their derivatives.

Both act on rows: the last axes, as many as ``normalized_shape`` has, are one row of $N$ values $x_j$, and all others
number the rows. The derivation is for one row.

**Layer normalization, forward.**

$$ y_j = \gamma_j z_j + \beta_j, \qquad z_j = r\,(x_j - \mu), \qquad r = (\sigma^2 + \varepsilon)^{-1/2} $$

**Backward.** Let $g_j = \partial L / \partial y_j$. $\gamma$ and $\beta$ serve all rows, so that their gradients are
sums over the rows, of $g_j z_j$ and of $g_j$. At $z_j$ arrives $G_j = \gamma_j g_j + g_{z_j}$, where $g_z$ comes from
outside: $z$ and $r$ are outputs of the rule, too, because backward uses them, and a second derivative comes back
through them. $x_j$ reaches $L$ on three ways. Straight, with slope $r$. Through $\mu$, on which each $z_k$ depends
with slope $-r$, and $\partial \mu / \partial x_j = \tfrac1N$. And through $r$: $\partial z_k / \partial r = z_k / r$,
and $\partial r / \partial x_j = -\tfrac{r^3}{N} (x_j - \mu) = -\tfrac{r^2}{N} z_j$, as derived for batch normalization.
All together:

$$ \frac{\partial L}{\partial x_j} = r\, G_j - \frac rN \sum_k G_k
   - \frac{r^2}{N} z_j \Bigl( \frac1r \sum_k G_k z_k + g_r \Bigr)
   = r \left( G_j - \frac{\Sigma_1}{N} - \frac{\Sigma_2}{N}\, z_j \right), $$

$$ \Sigma_1 = \sum_k G_k, \qquad \Sigma_2 = \sum_k G_k z_k + r\, g_r $$

$z$ is kept in the place of $x$: that costs no more memory, and nothing has to be computed again.

**Forward mode**: with $\dot c_j = \dot x_j - \tfrac1N \sum_k \dot x_k$ and $m = \tfrac1N \sum_k z_k \dot x_k$ it is
$\dot r = -r^2 m$, $\dot z_j = r (\dot c_j - m z_j)$, and then the product rule on $\gamma_j z_j + \beta_j$.

**RMS normalization** leaves out $\mu$ and $\beta$: $y_j = \gamma_j z_j$ and $z_j = r x_j$ with $r = (\tfrac1N \sum_k
x_k^2 + \varepsilon)^{-1/2}$. The way through $\mu$ is gone, and with it $\Sigma_1$; $\partial r / \partial x_j =
-\tfrac{r^3}{N} x_j = -\tfrac{r^2}{N} z_j$ is as before:

$$ \frac{\partial L}{\partial x_j} = r \left( G_j - \frac{\Sigma_2}{N}\, z_j \right) $$

and in forward mode $\dot z_j = r (\dot x_j - m z_j)$.

A sum over a row that is weighted with $\gamma$ is the product of a matrix and a vector, one pass over memory.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.normalization.handmade.refusal import (
    in_torch_layout,
    precise,
    refuse,
    require_dtypes,
    require_fractions,
    through_statistics,
)
from conceptlab.core import Rule, require_real, room, save


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    _check_shapes("layer_norm", input, normalized_shape, weight, bias)
    require_dtypes("layer_norm", input, weight, bias)
    require_fractions("layer_norm", input)
    return _OfRows.call(input.contiguous(), weight, bias, len(normalized_shape), eps, True)[0]


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    _check_shapes("rms_norm", input, normalized_shape, weight, None)
    for tensor in (input, weight):
        if tensor is not None:
            require_real("rms_norm", tensor)
    require_fractions("rms_norm", input)
    if eps is None:
        eps = torch.finfo(precise(input)).eps
    y = _OfRows.call(input.contiguous(), weight, None, len(normalized_shape), eps, False)[0]
    return in_torch_layout(y, input)


class _OfRows(Rule):
    """Outputs y, and z (M, N) and r (M, 1) of the M rows; ``centred`` or not is layer or RMS normalization."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, axes: int, eps: float, centred: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = _rows(x, axes, _common(x, weight))
        if centred:
            rows = rows - rows.mean(1, keepdim=True)
        rstd = _rstd(rows, eps)
        z = torch.mul(rows, rstd, out=room(rows) if centred else None)
        return _line(z.view(x.shape), weight, bias).to(x.dtype), z, rstd

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
        x, weight, bias, ctx.axes, _, ctx.centred = inputs
        save(ctx, weight, *output[1:])
        ctx.materialize_grads = False  # seldom does anything come back through z and r
        ctx.shape, ctx.dtype = x.shape, x.dtype
        ctx.bias_dtype = None if bias is None else bias.dtype

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, g_z: Tensor | None, g_rstd: Tensor | None) -> tuple[Tensor | None, ...]:
        weight, z, rstd = ctx.saved_tensors
        g_z, g_rstd = through_statistics(g_z, g_rstd)
        n = z.shape[1]
        g = torch.zeros_like(z) if g is None else _rows(g, ctx.axes, z.dtype)
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[2]:
            grad_bias = g.sum(0).view(ctx.shape[-ctx.axes :]).to(ctx.bias_dtype)
        gz = g * z
        if ctx.needs_input_grad[1]:
            grad_weight = gz.sum(0).view(weight.shape).to(weight.dtype)
        if ctx.needs_input_grad[0]:
            gamma = _flat(weight, z.dtype)
            sum_gz = _sum(gz, gamma)
            if g_z is not None:
                sum_gz = sum_gz + _sum(g_z * z)
            if g_rstd is not None:
                sum_gz = sum_gz + rstd * g_rstd
            if ctx.centred:
                sum_g = _sum(g, gamma) if g_z is None else _sum(g, gamma) + _sum(g_z)
                # (addcmul is as fast as a product where at most one of its operands is the same all along a row)
                grad_z = g - sum_g / n if gamma is None else torch.addcmul(sum_g / -n, g, gamma, out=room(gz))
            else:
                grad_z = g if gamma is None else torch.mul(g, gamma, out=room(gz))
            if g_z is not None:
                grad_z = grad_z + g_z
            without_z = torch.addcmul(grad_z, z, sum_gz / -n, out=room(gz))
            grad_x = torch.mul(without_z, rstd, out=room(without_z)).view(ctx.shape).to(ctx.dtype)
        return grad_x, grad_weight, grad_bias, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None, *_: None) -> tuple:
        weight, z, rstd = ctx.saved_tensors
        n = z.shape[1]
        x_t = torch.zeros_like(z) if x_t is None else _rows(x_t, ctx.axes, z.dtype)
        mean_zx = _sum(z * x_t) / n
        centred_t = x_t - _sum(x_t) / n if ctx.centred else x_t
        z_t = (centred_t - mean_zx * z) * rstd
        y_t = _product_rule(z.view(ctx.shape), z_t.view(ctx.shape), weight, weight_t)
        y_t = y_t if bias_t is None else y_t + bias_t
        return y_t.to(ctx.dtype), z_t, -rstd.square() * mean_zx


def _line(z: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """γ z + β; never z itself, which a later in-place function may not overwrite."""
    if bias is not None:
        # contiguous, because the result takes its memory format from the first operand
        return z + bias if weight is None else torch.addcmul(bias.contiguous(), z, weight)
    return z.clone() if weight is None else z * weight


def _rows(x: Tensor, axes: int, dtype: torch.dtype) -> Tensor:
    """The last ``axes`` axes as one, and all others as one: (M, N)."""
    return x.reshape(math.prod(x.shape[:-axes]), math.prod(x.shape[-axes:])).to(dtype)


def _rstd(rows: Tensor, eps: float) -> Tensor:
    """(mean square + ε)^(-1/2) of each row. A norm squares and adds in one pass over memory instead of three."""
    return torch.rsqrt(torch.linalg.vector_norm(rows, dim=1, keepdim=True).square() / rows.shape[1] + eps)


def _sum(rows: Tensor, weight: Tensor | None = None) -> Tensor:
    """The sum of each row, weighted: (M, 1)."""
    if weight is None:
        return rows.sum(1, keepdim=True)
    # a compiler joins a sum with what is summed, and leaves a product of its own alone
    return (rows * weight).sum(1, keepdim=True) if torch.compiler.is_compiling() else (rows @ weight).unsqueeze(1)


def _flat(weight: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if weight is None else weight.reshape(-1).to(dtype)


def _product_rule(z: Tensor, z_t: Tensor, weight: Tensor | None, weight_t: Tensor | None) -> Tensor:
    """The tangent of γ z."""
    y_t = z_t if weight is None else z_t * weight
    return y_t if weight_t is None else y_t + z * weight_t


def _common(x: Tensor, weight: Tensor | None) -> torch.dtype:
    """The widest of the dtypes; torch takes any weight."""
    dtypes = x.dtype if weight is None else torch.promote_types(x.dtype, weight.dtype)
    return torch.promote_types(dtypes, torch.float32)


def _check_shapes(
    where: str, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None
) -> None:
    if isinstance(normalized_shape, int):
        problem = "argument 'normalized_shape' must be tuple of ints"
        refuse(where, TypeError, problem, f"({normalized_shape},)", normalized_shape)
    shape = tuple(normalized_shape)
    if not shape:
        problem = "Expected normalized_shape to be at least 1-dimensional"
        refuse(where, RuntimeError, problem, "the size of at least one axis", "none")
    if len(shape) > input.dim() and where == "rms_norm":
        problem = f"Input tensor must have at least {len(shape)} dimensions"
        refuse(where, ValueError, problem, f"an input that ends in {shape}", f"shape {tuple(input.shape)}")
    if tuple(input.shape[-len(shape) :]) != shape:
        problem = f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}]"
        refuse(where, RuntimeError, problem, "an input that ends in it", f"shape {tuple(input.shape)}")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != shape:
            problem = f"Expected {name} to be of same shape as normalized_shape"
            refuse(where, RuntimeError, problem, shape, tuple(parameter.shape))
