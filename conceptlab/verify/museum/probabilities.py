"""Softmax and cross-entropy, wrong in ways that were published."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function


def overflowing_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Exponentials without subtracting the maximum first."""
    if dim is None:
        return F.softmax(input, dim, _stacklevel + 1, dtype)
    exponentials = (input if dtype is None else input.to(dtype)).exp()
    return (exponentials / exponentials.sum(dim, keepdim=True)).contiguous()


def diagonal_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Its backward is s (1 − s), the diagonal of the Jacobian."""
    if dim is None:
        return F.softmax(input, dim, _stacklevel + 1, dtype)
    return _DiagonalSoftmax.apply(input if dtype is None else input.to(dtype), dim)


class _DiagonalSoftmax(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        y = x.softmax(dim)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y), None


def overflowing_cross_entropy(input: Tensor, target: Tensor, **settings: Any) -> Tensor:
    """log(eˣ / Σ eˣ), which overflows at a logit of 1000."""
    exponentials = input.exp()
    # the rest is torch's: log-probabilities are their own log-softmax
    return F.cross_entropy((exponentials / exponentials.sum(_classes(input), keepdim=True)).log(), target, **settings)


def underflowing_cross_entropy(input: Tensor, target: Tensor, **settings: Any) -> Tensor:
    """The logarithm of a softmax, which is log 0 for a logit that is 1000 below the largest."""
    return F.cross_entropy(input.softmax(_classes(input)).log(), target, **settings)


def _classes(input: Tensor) -> int:
    return 0 if input.dim() == 1 else 1
