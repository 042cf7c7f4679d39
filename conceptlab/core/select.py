"""Choosing between two values at each element, without a branch.

torch's own ``where`` and ``masked_fill`` take a branch at each element, which the random signs of a network's values
mispredict, and a comparison whose result is boolean is as slow as five of another dtype. Together they cost ten passes
over memory and more. Here a condition is an integer of the number's own width, a one in every bit or in none, and a
number is chosen by a bitwise AND.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level

from conceptlab.core.function import Rule, save
from conceptlab.core.memory import is_recorded

Relation = Literal["<", "<=", ">", ">="]

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def indicator(x: Tensor, relation: Relation, number: float) -> Tensor:
    """1 where ``x`` stands in that relation to ``number``, and 0 elsewhere, in the dtype of ``x``. A constant.

    >>> indicator(torch.tensor([-1.0, 0.0, 1.0, float("nan")]), ">", 0)
    tensor([0., 0., 1., 0.])
    """
    comparison, x = _COMPARISONS[relation], x.detach()
    if torch.compiler.is_compiling() or maybe_current_level() is not None:
        # a compiler vectorises the boolean; and vmap, a torch.func level, has no rule for the result's memory
        return getattr(x, comparison)(number).to(x.dtype)
    return getattr(torch, comparison)(x, number, out=torch.empty_like(x))


def mask(holds: Tensor, *, unless: bool = False) -> Tensor:
    """An `indicator` as a mask for `keep`: -1, a one in every bit, where it is 1, or ``unless`` it is 1.

    >>> mask(indicator(torch.tensor([-1.0, 0.0, 1.0, float("nan")]), "<=", 0), unless=True)
    tensor([ 0,  0, -1, -1], dtype=torch.int32)
    """
    bits = holds.to(_INTEGERS[holds.element_size()], copy=True)
    return bits.sub_(1) if unless else bits.neg_()


def keep(v: Tensor, mask: Tensor, *, room: Tensor | None = None) -> Tensor:
    """``v`` where the `mask` is set, and 0 elsewhere.

    Unlike the product with 0 and 1, this drops infinite and missing values, too. The result has the memory format of
    ``v``; it may overwrite ``room``, a temporary tensor like ``v``. Differentiable by ``v``.

    >>> v = torch.tensor([1.0, float("inf"), float("nan")])
    >>> keep(v, mask(indicator(v, "<", 2)))
    tensor([1., 0., 0.])
    """
    return _Keep.call(v, mask) if is_recorded() else _and(v, mask, room)


class _Keep(Rule):
    @staticmethod
    def forward(v: Tensor, mask: Tensor) -> Tensor:
        if maybe_current_level() is not None:
            return torch.where(mask != 0, v, 0.0)  # torch 2.11 has no rule of vmap for the view
        return _and(v, mask, None)

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


def _and(v: Tensor, mask: Tensor, room: Tensor | None) -> Tensor:
    out = None if room is None else room.view(mask.dtype)
    return torch.bitwise_and(v.view(mask.dtype), mask, out=out).view(v.dtype)
