"""Choosing between two values at each element, without a branch.

torch's own ``where`` and ``masked_fill`` take a branch at each element, which the random signs of a network's values
mispredict, and a comparison whose result is boolean is as slow as five of another dtype. Together they cost ten passes
over memory and more. Here a condition is an integer of the number's own width, 1 or 0, and a number is chosen by the
product of its bits with that: 1 leaves all of them, 0 none. A compiler, which vectorises choices, and `vmap`, which has
no rule for the memory of a result, get the plain form: booleans, and ``where``.
"""

import math
import struct
from typing import Any, Literal

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level

from conceptlab.core.function import Rule, save
from conceptlab.core.memory import is_recorded

Relation = Literal["<", "<=", ">", ">="]

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_BITS_OF_MINUS_INFINITY = {
    dtype: torch.tensor(-math.inf, dtype=dtype).view(_INTEGERS[dtype.itemsize]).item()
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
}
_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def indicator(x: Tensor, relation: Relation, number: float) -> Tensor:
    """1 where ``x`` stands in that relation to ``number``, and 0 elsewhere, in the dtype of ``x``. A constant.

    For a compiler it is a boolean tensor: `slope` and `put` know what to do with either, and `others` has its
    complement.

    >>> indicator(torch.tensor([-1.0, 0.0, 1.0, float("nan")]), ">", 0)
    tensor([0., 0., 1., 0.])
    """
    comparison, x = _COMPARISONS[relation], x.detach()
    if _is_followed():
        return getattr(x, comparison)(number)
    return getattr(torch, comparison)(x, number, out=torch.empty_like(x))


def mask(holds: Tensor, *, unless: bool = False) -> Tensor:
    """An `indicator` as a mask for `keep`: set where it is 1, or ``unless`` it is 1.

    >>> mask(indicator(torch.tensor([-1.0, 0.0, 1.0, float("nan")]), "<=", 0), unless=True)
    tensor([0, 0, 1, 1], dtype=torch.int32)
    """
    if _is_followed():
        is_set = holds if holds.dtype is torch.bool else holds != 0
        return is_set.logical_not() if unless else is_set
    bits = holds.to(_INTEGERS[holds.element_size()], copy=True)
    return bits.bitwise_xor_(1) if unless else bits


def others(holds: Tensor) -> Tensor:
    """The `mask`, or the `indicator`, of all the other elements.

    >>> others(mask(indicator(torch.tensor([-1.0, 2.0]), ">", 0)))
    tensor([1, 0], dtype=torch.int32)
    """
    if holds.dtype is torch.bool:
        return holds.logical_not()
    return 1 - holds if holds.is_floating_point() else holds ^ 1


def slope(x: Tensor, below: Tensor | float) -> Tensor:
    """1 where ``x`` is positive, and ``below`` elsewhere. Each is exact: the other is multiplied by 0.

    >>> slope(torch.tensor([-1.0, 2.0]), 0.5)
    tensor([0.5000, 1.0000])
    """
    holds = indicator(x, ">", 0)
    if holds.dtype is torch.bool:
        return torch.where(holds, x.new_ones(()), below)
    if isinstance(below, Tensor):
        return torch.addcmul(holds, others(holds), below)
    return torch.add(holds, others(holds), alpha=below)


def put(y: Tensor, value: float, holds: Tensor) -> Tensor:
    """``y`` with ``value`` where an `indicator` is set; there it is 0 so far, and may be overwritten.

    >>> put(torch.tensor([0.0, 2.0]), 3.0, torch.tensor([1.0, 0.0]))
    tensor([3., 2.])
    """
    if value == 0:
        return y
    if holds.dtype is torch.bool:
        return torch.where(holds, value, y)
    # an infinite value times 0 would be NaN
    return y.add_(holds, alpha=value) if math.isfinite(value) else y.add_(keep(torch.full_like(y, value), mask(holds)))


def not_negative(x: Tensor) -> Tensor:
    """The mask of what is not below zero: numbers from 0 on, and NaN. Takes one pass, where `indicator` has three.

    Read as integers, the bits of the negative numbers are the smallest there are, from those of -0 to those of -∞.
    (Of 0 itself it may say either: kept or not, it is 0.)

    >>> not_negative(torch.tensor([-float("inf"), -1.0, 0.0, 1.0, float("nan")]))
    tensor([0, 0, 1, 1, 1], dtype=torch.int32)
    """
    if not x.is_floating_point() or _is_followed():
        return mask(indicator(x, "<=", 0), unless=True)
    bits = x.detach().view(_INTEGERS[x.element_size()])
    return torch.gt(bits, _BITS_OF_MINUS_INFINITY[x.dtype], out=torch.empty_like(bits))


def negative(x: Tensor) -> Tensor:
    """The mask of all the others: what is below zero, and -0.

    >>> negative(torch.tensor([-float("inf"), -1.0, 0.0, 1.0, float("nan")]))
    tensor([1, 1, 0, 0, 0], dtype=torch.int32)
    """
    if not x.is_floating_point() or _is_followed():
        return mask(indicator(x, "<=", 0))
    bits = x.detach().view(_INTEGERS[x.element_size()])
    return torch.le(bits, _BITS_OF_MINUS_INFINITY[x.dtype], out=torch.empty_like(bits))


def not_zero(x: Tensor) -> Tensor:
    """The mask of what has any bit set: all but 0 (and but -0, which nobody may ask about).

    >>> not_zero(torch.tensor([0.0, 1.0, float("nan")]))
    tensor([0, 1, 1], dtype=torch.int32)
    """
    if _is_followed():
        return x.detach() != 0
    bits = x.detach().view(_INTEGERS[x.element_size()])
    return torch.ne(bits, 0, out=torch.empty_like(bits))


def within(x: Tensor, bound: float) -> Tensor:
    """The mask of what lies between -``bound`` and ``bound``, the ends excluded, of float32 or float64, in two passes.

    Without the bit of their sign the bits of numbers are in the order of their magnitudes, NaN above them all.

    >>> within(torch.tensor([-3.0, -1.0, 2.0, float("inf"), float("nan")]), 3)
    tensor([0, 1, 1, 0, 0], dtype=torch.int32)
    """
    if _is_followed():
        return x.detach().abs() < bound
    kind = _INTEGERS[x.element_size()]
    magnitude = torch.bitwise_and(x.detach().view(kind), torch.iinfo(kind).max)
    return torch.lt(magnitude, _bits(bound, x.dtype), out=magnitude)


def limited(x: Tensor, high: float) -> Tensor:
    """``x``, which may be overwritten, limited to what lies between 0 and ``high``; of float32 or float64.

    NaN counts as large, which its bits are, unless something looks on.

    >>> with torch.no_grad():
    ...     limited(torch.tensor([-1.0, 2.0, 7.0, float("nan")]), 6)
    tensor([0., 2., 6., 6.])
    """
    if is_recorded():
        return x.clamp(0, high)
    x.view(_INTEGERS[x.element_size()]).clamp_(0, _bits(high, x.dtype))
    return x


def either(mask: Tensor, one: Tensor, other: Tensor | float, *, times: float = 1.0) -> Tensor:
    """``one``, which may be overwritten, where the `mask` is set, and ``times`` · ``other`` elsewhere.

    Of float32 or float64.

    >>> either(negative(torch.tensor([-1.0, 2.0])), torch.tensor([5.0, float("inf")]), 3.0)
    tensor([5., 3.])
    """
    if mask.dtype is torch.bool:
        return torch.where(mask, one, other * times)
    if is_recorded():
        if isinstance(other, Tensor):
            return torch.add(keep(one, mask), keep(other, others(mask)), alpha=times)
        return torch.add(keep(one, mask), others(mask).to(one.dtype), alpha=times * other)
    # what the two differ by, where the mask is set
    bits = one.view(mask.dtype)
    if isinstance(other, Tensor):
        of_other = (other if times == 1 else other * times).view(mask.dtype)
        bits.bitwise_xor_(of_other).mul_(mask).bitwise_xor_(of_other)
    else:
        number = _bits(times * other, one.dtype)
        bits.sub_(number).mul_(mask).add_(number)
    return one


def keep(v: Tensor, mask: Tensor, *, room: Tensor | None = None) -> Tensor:
    """``v`` where the `mask` is set, and 0 elsewhere.

    Unlike the product of the numbers with 0 and 1, this drops infinite and missing values, too. The result has the
    memory format of ``v``, or of ``room``, a temporary tensor of that size which it may overwrite, such as the mask.
    Differentiable by ``v``.

    >>> v = torch.tensor([1.0, float("inf"), float("nan")])
    >>> keep(v, mask(indicator(v, "<", 2)))
    tensor([1., 0., 0.])
    """
    return _Keep.call(v, mask) if is_recorded() else _times(v, mask, room)


class _Keep(Rule):
    @staticmethod
    def forward(v: Tensor, mask: Tensor) -> Tensor:
        return _times(v, mask, None)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return keep(grad_output, mask), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (mask,) = ctx.saved_tensors
        return keep(tangent, mask)


def _times(v: Tensor, mask: Tensor, room: Tensor | None) -> Tensor:
    if mask.dtype is torch.bool or _is_followed():
        # it may have been made where nothing followed
        return torch.where(mask if mask.dtype is torch.bool else mask != 0, v, 0)
    out = room.view(mask.dtype) if room is not None else None
    return torch.mul(v.view(mask.dtype), mask, out=out).view(v.dtype)


def _bits(number: float, dtype: torch.dtype) -> int:
    number_format, integer_format = ("d", "q") if dtype is torch.float64 else ("f", "i")
    return struct.unpack(integer_format, struct.pack(number_format, number))[0]


def _is_followed() -> bool:
    """By a compiler or a transform."""
    return torch.compiler.is_compiling() or maybe_current_level() is not None
