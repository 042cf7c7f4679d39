r"""ReLU and its kin, with their derivatives.

Each acts on an element by itself, so its Jacobian is diagonal and the derivative is a slope, $f'(x)$:

| function | slope | where |
|---|---|---|
| relu, threshold, hardtanh (relu6) | $1$, else $0$ | $x$ > the lower limit and $x$ < the upper one |
| leaky_relu | $1$, else $a$ | $x > 0$ |
| elu | $1$, else $\alpha e^x$ | $x > 0$ |

and $v \cdot f'(x)$ is what both directions need. The first row is a gate, which either lets a value and its gradient
through or stops both: the forward pass hands its mask on to the derivative. Two points of care. NaN fails every
comparison, so the gate asks the other way round, *unless* ``x <= 0``, and NaN passes. $e^x$ must not overflow where it
is not used: the branch not taken would give $0 \cdot \infty$ = NaN, so its argument is 0 there.

PReLU has a second input, the slope $w$: with $y = w x$ on the negative side, $\partial y / \partial w = x$ there,
summed over all elements that share the slope.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.core import (
    ElementwiseRule,
    Rule,
    exp,
    indicator,
    keep,
    mask,
    message,
    negative,
    not_negative,
    not_zero,
    others,
    plus,
    put,
    require_floating,
    save,
    slope,
    wide,
)

# Klambauer et al., 2017, equation 14
_ALPHA = 1.6732632423543772848170429916717
_SCALE = 1.0507009873554804934193349852946


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    if input.dtype is torch.bool:
        raise NotImplementedError(
            message("relu", expected="numbers", received="a boolean tensor", remedy="Convert it, with input.float().")
        )
    output = _ReLU.call(input)
    return input.copy_(output) if inplace else output


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    return hardtanh(input, 0, 6, inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    if min_val > max_val:
        raise ValueError(
            message(
                "hardtanh",
                expected="min_val <= max_val (min_val cannot be greater than max_val)",
                received=f"{min_val} and {max_val}",
                remedy="Exchange the two.",
            )
        )
    if input.dtype is torch.uint8 and min_val < 0:
        raise RuntimeError(
            message(
                "hardtanh on an unsigned type with negative limits",
                expected="min_val >= 0",
                received=f"{min_val}",
                remedy="Convert the input to a signed type.",
            )
        )
    output = _Gate.call(input, _as(input, min_val), _as(input, min_val), _as(input, max_val))[0]
    return input.copy_(output) if inplace else output


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    output = _Gate.call(input, _as(input, threshold), _as(input, value), None)[0]
    return input.copy_(output) if inplace else output


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    require_floating("leaky_relu", input)
    output = _LeakyReLU.call(input, negative_slope)[0]
    return input.copy_(output) if inplace else output


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    return _PReLU.call(input, _slopes_by_channel(input, weight))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    require_floating("elu", input)
    # in place the input is overwritten, which the derivative needs: the rule gets a copy
    output = _ELU.call(input.clone() if inplace else input, alpha, 1.0)
    return input.copy_(output) if inplace else output


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    require_floating("selu", input)
    output = _ELU.call(input.clone() if inplace else input, _ALPHA, _SCALE)
    return input.copy_(output) if inplace else output


class _ReLU(ElementwiseRule):
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return keep(x, not_negative(x))

    @staticmethod
    def times_slope(v: Tensor, y: Tensor) -> Tensor:
        return keep(v, not_zero(y))


class _Gate(Rule):
    """x between two limits, ``low_value`` up to ``low`` and ``high`` from there on: it lets through, or it does not."""

    @staticmethod
    def forward(x: Tensor, low: float, low_value: float, high: float | None) -> tuple[Tensor, Tensor]:
        is_low = indicator(x, "<=", low)
        if high is None:
            passes = mask(is_low, unless=True)
            return put(keep(x, passes, room=is_low if low_value == 0 else None), low_value, is_low), passes
        # where the limits are equal, that number is low alone
        is_high = indicator(x, ">=" if low < high else ">", high)
        stops = is_low + is_high
        passes = mask(stops, unless=True)
        return put(put(keep(x, passes, room=stops), low_value, is_low), high, is_high), passes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        save(ctx, output[1])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, _: None) -> tuple[Tensor, None, None, None]:
        (passes,) = ctx.saved_tensors
        return keep(grad_output, passes), None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, None]:
        (passes,) = ctx.saved_tensors
        return keep(tangent, passes), None


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


class _ELU(ElementwiseRule):
    """ELU times ``scale``: selu is one, too."""

    @staticmethod
    def forward(x: Tensor, alpha: float, scale: float) -> Tensor:
        z = wide(x)
        bends = negative(z)
        straight = keep(z, others(bends))
        bent = keep(z, bends).expm1_().mul_(alpha * scale)  # 0 on the positive side
        return bent.add_(straight, alpha=scale).to(x.dtype)

    @staticmethod
    def times_slope(v: Tensor, x: Tensor, alpha: float, scale: float) -> Tensor:
        # e^x is 1 on the positive side, where its argument is 0
        z = wide(x)
        bent = exp(keep(z, negative(z))) * (alpha * scale)
        if alpha != 1:
            bent = plus(bent, scale - alpha * scale, others(indicator(z, "<=", 0)))
        return (v * bent).to(x.dtype)


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
        z = wide(x)
        return (x_tangent * slope(z, wide(weight)) + _where_bent(z) * weight_tangent).to(x.dtype)


def _where_bent(x: Tensor) -> Tensor:
    """∂y/∂w of PReLU: x where it is not positive."""
    return keep(x, mask(indicator(x, ">", 0), unless=True))


def _as(input: Tensor, number: float) -> float:
    """A bound in the input's kind of number, so that the result keeps the input's dtype."""
    return number if input.is_floating_point() else int(number)


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
