r"""Softmax and its logarithm, with their derivatives.

**Softmax.** Let $y_i = e^{x_i} / s$ with $s = \sum_j e^{x_j}$. Every output depends on every input, through $s$; by the
quotient rule, with $\delta_{ij} = 1$ for $i = j$ and 0 otherwise,

$$ \frac{\partial y_i}{\partial x_j} = \frac{\delta_{ij} e^{x_i} s - e^{x_i} e^{x_j}}{s^2} = y_i (\delta_{ij} - y_j) $$

The second term, the part off the diagonal, is what is often forgotten. With the gradient $g_i = \partial L / \partial
y_i$ that arrives,

$$ \frac{\partial L}{\partial x_j} = \sum_i g_i\, y_i (\delta_{ij} - y_j) = y_j \Bigl( g_j - \sum_i g_i y_i \Bigr) $$

The Jacobian is symmetric, so forward mode is the same formula with the tangent in the place of $g$. For a constant $g$
it gives 0, since $\sum y_i = 1$: a check with ``y.sum().backward()`` sees nothing.

**Its logarithm.** With $y_i = x_i - \log s$ and $\partial \log s / \partial x_j = e^{x_j} / s = e^{y_j}$,

$$ \frac{\partial y_i}{\partial x_j} = \delta_{ij} - e^{y_j}, \qquad
   \frac{\partial L}{\partial x_j} = g_j - e^{y_j} \sum_i g_i, \qquad
   \dot y_i = \dot x_i - \sum_j e^{y_j} \dot x_j $$

All of it follows from the output, which is all that is saved.

**Gumbel-softmax** is a softmax of $z = (l + G) / \tau$, and the noise $G$ depends on nothing, so that

$$ \frac{\partial L}{\partial l_j} = \frac{1}{\tau} \, y_j \Bigl( g_j - \sum_i g_i y_i \Bigr) $$

Rounded to 1 at its maximum and 0 elsewhere, it would have the slope 0 everywhere. *Straight through* means that the
rounding has the slope 1 instead: a rule whose derivatives are what they are given.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, exp, message, require_floating, room, save, warn, wide


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    return _along(_Softmax.call, "softmax", input, dim, _stacklevel, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    return _along(_LogSoftmax.call, "log_softmax", input, dim, _stacklevel, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    return _along(_Softmax.call, "softmin", -input, dim, _stacklevel, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    if not logits.is_floating_point():
        raise RuntimeError(
            message(
                "gumbel_softmax: Exponential distribution is a continuous probability distribution",
                expected="dtype must be a floating point",
                received=f"you specified {logits.dtype}",
                remedy="Convert the logits, for instance with logits.float().",
            )
        )
    if eps != 1e-10:
        warn("`eps` parameter is deprecated and has no effect.", stacklevel=3)
    # in the dtype and the order of torch's own draw
    noise = torch.empty_like(logits, memory_format=torch.legacy_contiguous_format).exponential_()
    y = ((logits - wide(noise).log_()) / tau).contiguous()
    if y.numel():
        y = _Softmax.call(y, dim)
    return (_StraightThrough.call(y, dim) if hard else y).to(logits.dtype)


class _StraightThrough(Rule):
    """1 at the maximum and 0 elsewhere, with the derivative of the identity. NaN stays."""

    @staticmethod
    def forward(y: Tensor, dim: int) -> Tensor:
        places = y.argmax(dim, keepdim=True)
        # of finite numbers the difference is 0
        return (y - y).scatter_add_(dim, places, torch.ones_like(places, dtype=y.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """It needs nothing."""

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        return grad_output, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return tangent.clone()


class _Softmax(Rule):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        shifted = x - x.amax(dim, keepdim=True)
        e = exp(shifted, room=room(shifted))
        return e.div_(e.sum(dim, keepdim=True))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, output)
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return _times_jacobian(grad_output, y, ctx.dim), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (y,) = ctx.saved_tensors
        return _times_jacobian(tangent, y, ctx.dim)


def _times_jacobian(v: Tensor, y: Tensor, dim: int) -> Tensor:
    vy = v * y
    return torch.addcmul(vy, y, vy.sum(dim, keepdim=True), value=-1)


class _LogSoftmax(Rule):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        shifted = x - x.amax(dim, keepdim=True)
        return shifted.sub_(exp(shifted).sum(dim, keepdim=True).log_())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, output)
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        total = grad_output.sum(ctx.dim, keepdim=True)
        return torch.addcmul(grad_output, exp(y), total, value=-1), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (y,) = ctx.saved_tensors
        return tangent - (exp(y) * tangent).sum(ctx.dim, keepdim=True)


def _along(
    rule: Callable, name: str, input: Tensor, dim: int | None, _stacklevel: int, dtype: torch.dtype | None
) -> Tensor:
    """A rule along an axis, in float32 at least, and its result in the dtype that was asked for."""
    if dim is None:
        dim = _implicit_dim(name, input.dim(), _stacklevel + 2)
    x = input if dtype is None else input.to(dtype)
    require_floating(name, x)
    if x.numel() == 0:
        return x.clone()  # the largest of nothing does not exist
    # a strided view is made whole: torch's result is contiguous
    y = rule(x.contiguous().to(torch.promote_types(x.dtype, torch.float32)), dim)
    return y.to(x.dtype)


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1
