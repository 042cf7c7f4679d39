"""Rounding errors, against an oracle in float64."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import gradients, run
from conceptlab.verify.closeness import ErrorRatio, Mismatch, check_same
from conceptlab.verify.tally import Failure, NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target


def precision(target: Target, dtype: torch.dtype = torch.float32) -> Tally:
    """The error against float64, in values and gradients, is at most four times torch's own."""
    return _measured(target, dtype, lambda ratio, what, eps: ratio.check(what, eps))


def half_precision(target: Target) -> Tally:
    """`precision` in bfloat16 and float16."""
    return precision(target, torch.bfloat16) + precision(target, torch.float16)


def rounded_once(target: Target) -> Tally:
    """In bfloat16 and float16 it computes in float32: over all samples its error is torch's own, but for a third."""

    def compare(ratio: ErrorRatio, what: str, eps: float) -> None:
        ratio.check_whole(what, factor=1.33, floor=0.05 * eps)

    return _measured(target, torch.bfloat16, compare) + _measured(target, torch.float16, compare)


def _measured(target: Target, dtype: torch.dtype, check: Callable[[ErrorRatio, str, float], None]) -> Tally:
    """Errors in values and in gradients, and what ``check`` says of them."""
    if dtype not in target.dtypes:
        return Tally(left_out=Counter(["not among the dtypes that were asked for"]))
    values_ratio, gradient_ratio = ErrorRatio(slack=2.0), ErrorRatio(slack=2.0)

    def compare(sample: Sample) -> None:
        theirs = of_torch(lambda: run(target.builtin, sample.args, sample.kwargs, dtype=dtype))
        if not isinstance(theirs.output, Tensor) or not theirs.output.is_floating_point():
            raise NotApplicable("the result is no tensor of floating-point numbers")
        ours = run(target.implementation, sample.args, sample.kwargs, dtype=dtype)
        args, kwargs = tree_map(_to(dtype), (sample.args, dict(sample.kwargs)))
        exact = of_torch(lambda: run(target.builtin, args, kwargs, dtype=torch.float64))
        check_same(ours.output.dtype, theirs.output.dtype, "dtype")
        values_ratio.add([ours.output], [theirs.output], [exact.output])
        expected = or_none(lambda: [gradients(theirs), gradients(exact, layout=_to(dtype))])
        if expected is not None:
            grads = [[g for g in each_by if g is not None] for each_by in (gradients(ours), *expected)]
            gradient_ratio.add(*grads)

    tally = each(target.samples(), compare)
    eps = torch.finfo(dtype).eps
    for ratio, what in ((values_ratio, "value"), (gradient_ratio, "gradient")):
        try:
            check(ratio, what, eps)
        except Mismatch as error:
            tally.failures.append(Failure(Sample(f"{dtype}, pooled"), error))
    return tally


def _to(dtype: torch.dtype) -> Callable:
    """Round to ``dtype`` and keep the rounded value in float64: the oracle sees what the others see."""

    def convert(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value.detach().to(dtype).to(torch.float64).requires_grad_(value.requires_grad)
        return value

    return convert
