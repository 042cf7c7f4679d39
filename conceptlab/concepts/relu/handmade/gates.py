r"""relu, relu6, hardtanh and threshold: gates, which either let a value and its gradient through or stop both.

$$ f'(x) = \begin{cases} 1 & x > \text{the lower limit and } x < \text{the upper one} \\ 0 & \text{else} \end{cases} $$

The forward pass hands its mask on to the derivative, $v \cdot f'(x)$. NaN fails every comparison, so the gate asks the
other way round, *unless* ``x <= 0``, and NaN passes.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.core import (
    ElementwiseRule,
    Rule,
    indicator,
    keep,
    mask,
    message,
    not_negative,
    not_zero,
    put,
    save,
)


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


class _ReLU(ElementwiseRule):
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        passes = not_negative(x)
        return keep(x, passes, room=passes)

    @staticmethod
    def times_slope(v: Tensor, y: Tensor) -> Tensor:
        passes = not_zero(y)
        return keep(v, passes, room=passes)


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


def _as(input: Tensor, number: float) -> float:
    """A bound in the input's kind of number, so that the result keeps the input's dtype."""
    return number if input.is_floating_point() else int(number)
