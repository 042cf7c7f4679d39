r"""The three maps and their derivatives: each is bilinear, and its gradients are the other two.

$Y$ with a bias is the convolution, and $X$ with a bias the transposed convolution.

| map | gradient by its first argument, for the upstream $v$ | by its second |
|---|---|---|
| $Y(x, w)$ | $X(v, w)$ | $W(v, x)$ |
| $X(g, w)$ | $Y(v, w)$ | $W(g, v)$ |
| $W(g, x)$ | $Y(x, v)$ | $X(g, v)$ |

Forward mode is the product rule, $\dot f(a, b) = f(\dot a, b) + f(a, \dot b)$. (Where a factor is complex its conjugate
takes its place in the gradients.)

Under `vmap` a batch of problems is one larger problem: more samples if only the images differ, else more groups.
"""

from typing import Any

from torch import Tensor

from conceptlab.concepts.convolution.handmade import columns, depthwise, pointwise
from conceptlab.concepts.convolution.handmade.geometry import Geometry, room
from conceptlab.core import Rule, save


class Convolve(Rule):
    """Y(x, weight) + bias; the scalars are `Geometry.flat`."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, *flat: int) -> Tensor:
        geometry = Geometry.of(flat)
        y = room((x.shape[0], weight.shape[0], *geometry.out(x.shape[2:], weight.shape[2:])), x, weight)
        _products(weight, geometry).convolve(y, x, weight, bias, geometry)
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, weight, _, *ctx.flat = inputs
        save(ctx, x, weight)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        dx = InputGradient.call(grad_output, weight.conj(), None, *x.shape[2:], *ctx.flat) if needs_x else None
        dw = WeightGradient.call(grad_output, x.conj(), *weight.shape[2:], *ctx.flat) if needs_weight else None
        db = grad_output.sum((0, *range(2, grad_output.dim()))) if needs_bias else None
        return dx, dw, db, *(None for _ in ctx.flat)

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, weight_tangent: Tensor, bias_tangent: Tensor | None, *_: None) -> Tensor:
        x, weight = ctx.saved_tensors
        by_x = Convolve.call(x_tangent, weight, bias_tangent, *ctx.flat)
        return by_x + Convolve.call(x, weight_tangent, None, *ctx.flat)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, x: Tensor, weight: Tensor, bias: Tensor | None, *flat: int) -> tuple:
        V = info.batch_size
        if in_dims[1] is None and in_dims[2] is None:
            return Convolve.call(_into(0, x, in_dims[0], V), weight, bias, *flat).unflatten(0, (V, -1)), 0
        bias = None if bias is None else _into(0, bias, in_dims[2], V)
        y = Convolve.call(_into(1, x, in_dims[0], V), _into(0, weight, in_dims[1], V), bias, V * flat[0], *flat[1:])
        return y.unflatten(1, (V, -1)), 1


class InputGradient(Rule):
    """X(g, weight) + bias; the scalars are the input's size and `Geometry.flat`."""

    generate_vmap_rule = False

    @staticmethod
    def forward(g: Tensor, weight: Tensor, bias: Tensor | None, *scalars: int) -> Tensor:
        size, flat = scalars[: g.dim() - 2], scalars[g.dim() - 2 :]
        geometry = Geometry.of(flat)
        dx = room((g.shape[0], weight.shape[1] * geometry.groups, *size), g, weight)
        _products(weight, geometry).input_gradient(dx, g, weight, bias, geometry)
        return dx

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        g, weight, _, *ctx.scalars = inputs
        save(ctx, g, weight)
        ctx.flat = ctx.scalars[g.dim() - 2 :]

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
        g, weight = ctx.saved_tensors
        needs_g, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        by_g = Convolve.call(v, weight.conj(), None, *ctx.flat) if needs_g else None
        by_weight = WeightGradient.call(g.conj(), v, *weight.shape[2:], *ctx.flat) if needs_weight else None
        by_bias = v.sum((0, *range(2, v.dim()))) if needs_bias else None
        return by_g, by_weight, by_bias, *(None for _ in ctx.scalars)

    @staticmethod
    def jvp(ctx: Any, g_tangent: Tensor, weight_tangent: Tensor, bias_tangent: Tensor | None, *_: None) -> Tensor:
        g, weight = ctx.saved_tensors
        by_g = InputGradient.call(g_tangent, weight, bias_tangent, *ctx.scalars)
        return by_g + InputGradient.call(g, weight_tangent, None, *ctx.scalars)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, g: Tensor, weight: Tensor, bias: Tensor | None, *scalars: int) -> tuple:
        V = info.batch_size
        if in_dims[1] is None and in_dims[2] is None:
            return InputGradient.call(_into(0, g, in_dims[0], V), weight, bias, *scalars).unflatten(0, (V, -1)), 0
        bias = None if bias is None else _into(0, bias, in_dims[2], V)
        more = _with_groups(scalars, V)
        dx = InputGradient.call(_into(1, g, in_dims[0], V), _into(0, weight, in_dims[1], V), bias, *more)
        return dx.unflatten(1, (V, -1)), 1


class WeightGradient(Rule):
    """W(g, x); the scalars are the kernel's size and `Geometry.flat`."""

    generate_vmap_rule = False

    @staticmethod
    def forward(g: Tensor, x: Tensor, *scalars: int) -> Tensor:
        kernel, flat = scalars[: g.dim() - 2], scalars[g.dim() - 2 :]
        geometry = Geometry.of(flat)
        dw = g.new_empty(g.shape[1], x.shape[1] // geometry.groups, *kernel)
        _products(dw, geometry).weight_gradient(dw, g, x, geometry)
        return dw

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        g, x, *ctx.scalars = inputs
        save(ctx, g, x)
        ctx.flat = ctx.scalars[g.dim() - 2 :]

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
        g, x = ctx.saved_tensors
        needs_g, needs_x, *_ = ctx.needs_input_grad
        by_g = Convolve.call(x.conj(), v, None, *ctx.flat) if needs_g else None
        by_x = InputGradient.call(g.conj(), v, None, *x.shape[2:], *ctx.flat) if needs_x else None
        return by_g, by_x, *(None for _ in ctx.scalars)

    @staticmethod
    def jvp(ctx: Any, g_tangent: Tensor, x_tangent: Tensor, *_: None) -> Tensor:
        g, x = ctx.saved_tensors
        by_g = WeightGradient.call(g_tangent, x, *ctx.scalars)
        return by_g + WeightGradient.call(g, x_tangent, *ctx.scalars)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, g: Tensor, x: Tensor, *scalars: int) -> tuple:
        V = info.batch_size
        more = _with_groups(scalars, V)
        dw = WeightGradient.call(_into(1, g, in_dims[0], V), _into(1, x, in_dims[1], V), *more)
        return dw.unflatten(0, (V, -1)), 0


def _products(weight: Tensor, geometry: Geometry) -> Any:
    """The module that computes the three maps for such a weight."""
    if geometry.groups > 1 and weight.shape[1] == 1:
        return depthwise
    return pointwise if pointwise.fits(weight, geometry) else columns


def _into(axis: int, x: Tensor, batched: int | None, V: int) -> Tensor:
    """``x`` with the axis of a vmap, which it may lack, merged into ``axis``."""
    x = x.unsqueeze(0).expand(V, *x.shape) if batched is None else x.movedim(batched, 0)
    return x.movedim(0, axis).flatten(axis, axis + 1)


def _with_groups(scalars: tuple[int, ...], V: int) -> tuple[int, ...]:
    """The scalars of V problems side by side: V times the groups."""
    at = len(scalars) // 4  # size or kernel, groups, stride, padding, dilation: 4 n + 1 numbers
    return (*scalars[:at], V * scalars[at], *scalars[at + 1 :])
