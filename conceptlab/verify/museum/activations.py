"""ReLU, SiLU and dropout, wrong in ways that were published."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def relu_zero_at_nan(input: Tensor, inplace: bool = False) -> Tensor:
    """Its gradient at NaN is 0, which hides the NaN; torch lets the upstream gradient through."""
    y = _ReluByMask.apply(input.clone() if inplace else input)
    return input.copy_(y) if inplace else y


class _ReluByMask(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, grad, 0)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, tangent, 0)


def relu_overwriting_saved(input: Tensor, inplace: bool = False) -> Tensor:
    """In place it overwrites the input that it saved for backward."""
    y = _ReluOverwriting.apply(input)
    return input.copy_(y) if inplace else y


class _ReluOverwriting(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x <= 0, 0, grad)


def silu_overwriting_saved(input: Tensor, inplace: bool = False) -> Tensor:
    """The same without a word: what it kept for backward lies in the memory that it then overwrites."""
    y = _SiluOverwriting.apply(input)
    if inplace:
        input.detach().copy_(y.detach())
    return y


class _SiluOverwriting(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.x = x.detach()
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        sigmoid = ctx.x.sigmoid()
        return grad * sigmoid * (1 + ctx.x * (1 - sigmoid))


def relu_overwriting_input(input: Tensor, inplace: bool = False) -> Tensor:
    """It works in place even where nobody asked it to."""
    return input.clamp_(min=0)


def silu_saving_the_sigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """The sigmoid is saved, an intermediate: gradients are right, second derivatives are not."""
    y = _SavingTheSigmoid.apply(input.clone() if inplace else input)
    return input.copy_(y) if inplace else y


class _SavingTheSigmoid(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        sigmoid = x.sigmoid()
        ctx.save_for_backward(x, sigmoid)
        return x * sigmoid

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, sigmoid = ctx.saved_tensors
        return grad * sigmoid * (1 + x * (1 - sigmoid))


def dropout_without_rescaling(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """What is kept is not divided by 1 − p."""
    if not training or p == 0:
        return input
    kept = input * torch.empty_like(input).bernoulli_(1 - p)
    return input.copy_(kept) if inplace else kept


def dropout_with_a_fresh_mask(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """backward draws a mask of its own."""
    if not training or p == 0 or input.numel() == 0:
        return input
    kept = _FreshMask.apply(input, p)
    return input.copy_(kept) if inplace else kept


class _FreshMask(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        ctx.p = p
        return x * _mask(x, p)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad * _mask(grad, ctx.p), None


def _mask(x: Tensor, p: float) -> Tensor:
    kept = torch.empty_like(x).bernoulli_(1 - p)
    return kept if p == 1 else kept.div_(1 - p)
