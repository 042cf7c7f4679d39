"""Choosing between two values at each element, without a branch.

torch's own ``where`` and ``masked_fill`` take a branch at each element, which the random signs of a network's values
mispredict, and a comparison whose result is boolean is as slow as five of another dtype. Together they cost ten passes
over memory and more. The two functions here do the same without.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level

from conceptlab.core.function import Rule, save

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def masked_fill(v: Tensor, mask: Tensor, value: float) -> Tensor:
    """``value`` where ``mask`` is 1, and ``v`` where it is 0.

    As ``torch.masked_fill``, and unlike the product with a mask: an infinite or missing number that is replaced leaves
    nothing behind. The bits of ``v`` meet a mask of all ones or all zeros; the result has the memory format of ``v``.

    Args:
        v: real numbers.
        mask: 0 and 1, as `indicator` gives them, taken as a constant.
        value: the number to put in.

    >>> masked_fill(torch.tensor([1.0, float("inf"), float("nan")]), torch.tensor([0.0, 1.0, 0.0]), 5.0)
    tensor([1., 5., nan])
    """
    return _MaskedFill.call(v, mask, value)


def indicator(x: Tensor, relation: Literal["<", "<=", ">", ">="], number: float) -> Tensor:
    """1 where ``x`` stands in that relation to ``number``, and 0 where not, in the dtype of ``x``; 0 for NaN.

    >>> indicator(torch.tensor([-1.0, 0.0, 1.0]), ">", 0)
    tensor([0., 0., 1.])
    """
    name, x = _COMPARISONS[relation], x.detach()
    if torch.compiler.is_compiling() or maybe_current_level() is not None:
        # a compiler vectorises the boolean; and vmap, a torch.func level, has no rule for the comparison in place
        return getattr(x, name)(number).to(x.dtype)
    return getattr(x.clone(), f"{name}_")(number)


_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


class _MaskedFill(Rule):
    @staticmethod
    def forward(v: Tensor, mask: Tensor, value: float) -> Tensor:
        integers = _INTEGERS[v.element_size()]
        kept = mask.to(integers).sub(1)  # 0 is -1, a one in every bit; 1 is 0
        bits = kept & v.view(integers)
        if value != 0:
            bits |= ~kept & v.new_full((), value).view(integers)
        return bits.view(v.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return masked_fill(grad_output, mask, 0), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        (mask,) = ctx.saved_tensors
        return masked_fill(tangent, mask, 0)
