r"""leaky_relu and prelu, with their derivatives.

Leaky ReLU is $a x$ where $x \le 0$, so

$$ f'(x) = \begin{cases} 1 & x > 0 \\ a & \text{else} \end{cases} $$

PReLU has a second input, the slope $w$: with $y = w x$ on the negative side, $\partial y / \partial w = x$ there,
summed over all elements that share the slope.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, indicator, keep, mask, message, require_floating, save, slope


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    require_floating("leaky_relu", input)
    output = _LeakyReLU.call(input, negative_slope)[0]
    return input.copy_(output) if inplace else output


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    return _PReLU.call(input, _slopes_by_channel(input, weight))


class _LeakyReLU(Rule):
    """Hands its slope on to the derivative: as constant as a mask is, so that nothing comes back through it."""

    @staticmethod
    def forward(x: Tensor, negative_slope: float) -> tuple[Tensor, Tensor]:
        slopes = slope(x, negative_slope)
        return x * slopes, slopes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        save(ctx, output[1])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor, None]:
        (slopes,) = ctx.saved_tensors
        return grad_output * slopes, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> tuple[Tensor, Tensor]:
        (slopes,) = ctx.saved_tensors
        # detached, or the tangent is kept for the slope's sake, and in place it is overwritten
        return tangent * slopes.detach(), torch.zeros_like(slopes)


class _PReLU(Rule):
    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return x * slope(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight = ctx.needs_input_grad
        grad_x = grad_output * slope(x, weight) if needs_x else None
        grad_weight = (grad_output * _where_bent(x)).sum_to_size(weight.shape) if needs_weight else None
        return grad_x, grad_weight

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, weight_tangent: Tensor) -> Tensor:
        x, weight = ctx.saved_tensors
        # at 0 torch takes the slope 1 here, and the weight in its backward pass
        return torch.where(x >= 0, x_tangent, x_tangent * weight + x * weight_tangent)


def _where_bent(x: Tensor) -> Tensor:
    """∂y/∂w of PReLU: x where it is not positive."""
    return keep(x, mask(indicator(x, ">", 0), unless=True))


def _slopes_by_channel(input: Tensor, weight: Tensor) -> Tensor:
    """``weight`` in a shape that broadcasts: channels are axis 1, and a tensor of fewer axes has one channel."""
    channels = input.shape[1] if input.dim() >= 2 else 1
    if weight.dim() > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            message(
                "prelu: Mismatch of parameter numbers and input channel size",
                expected=f"a scalar or 1D weight with 1 or {channels} elements",
                received=f"shape {tuple(weight.shape)}",
                remedy="Construct PReLU with num_parameters equal to the input's axis 1.",
            )
        )
    if weight.dtype != input.dtype:
        raise RuntimeError(
            message(
                "prelu: Type promoting not supported",
                expected=f"weight of the input's dtype {input.dtype}",
                received=str(weight.dtype),
                remedy="Convert one of the two.",
            )
        )
    return weight.reshape(-1, *[1] * (input.dim() - 2)) if input.dim() >= 2 else weight.reshape([])
