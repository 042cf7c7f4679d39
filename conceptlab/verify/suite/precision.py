"""Rounding errors, against an oracle in float64."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import each_once, gradients, run, upstream
from conceptlab.verify.closeness import ErrorRatio, Mismatch, check_same
from conceptlab.verify.outcomes import numbers, of_leaves, refuse_written
from conceptlab.verify.tally import Failure, NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target


def precision(target: Target, dtype: torch.dtype = torch.float32) -> Tally:
    """The error against float64, in values and gradients, is at most four times torch's own."""
    return _measured(target, dtype, lambda ratio, what, eps: ratio.check(what, eps))


def half_precision(target: Target) -> Tally:
    """`precision` in bfloat16 and float16."""
    return precision(target, torch.bfloat16) + precision(target, torch.float16)


_DRAWN = "the draw, and the factor, are torch's in half precision, too"
_OF_THE_OUTPUT = "the derivative is told from the result, which has been rounded"
_WITH_DRAWS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
_WITH_THE_OUTPUT = ("sigmoid", "tanh", "softmax", "softmin", "log_softmax", "scaled_dot_product_attention")
ROUNDED_OFTEN = {
    "value": {
        **dict.fromkeys((*_WITH_DRAWS, "gumbel_softmax"), _DRAWN),
        "interpolate": "places between numbers are found in the precision in which torch finds them",
        "linear": "a bias of several axes is added to a product that has been rounded",
        "multi_head_attention_forward": "it is made of several functions, and each of them rounds",
    },
    "gradient": {
        **dict.fromkeys((*_WITH_DRAWS, "gumbel_softmax"), _DRAWN),
        **dict.fromkeys((*_WITH_THE_OUTPUT, "pairwise_distance"), _OF_THE_OUTPUT),
        "batch_norm": "of a few numbers it cancels, and float32 has not the digits",
        "multi_head_attention_forward": "it is made of several functions, and each of them rounds",
        "pad": "the gradients of what was copied several times are added in half precision, as torch's are",
        "prelu": "the gradients of a slope are rounded one by one, as torch's are",
    },
}
"""Why some results are rounded more than once: their error may be torch's own."""


def rounded_once(target: Target) -> Tally:
    """In bfloat16 and float16 it computes in float32: its error is that of a single rounding, or torch's own.

    Over all samples together, but for a fiftieth, or a tenth of torch's own for what is rounded more than once.
    """

    def compare(ratio: ErrorRatio, what: str, eps: float) -> None:
        ratio.check_whole(what, factor=1.1, floor=0.01 * eps)
        if target.part.name not in ROUNDED_OFTEN[what]:
            ratio.check_once(what, factor=1.02, floor=0.005 * eps)

    bfloat, half = (_measured(target, dtype, compare, unwritten=True) for dtype in (torch.bfloat16, torch.float16))
    return bfloat + half


def half_tangents(target: Target) -> Tally:
    """In bfloat16 and float16 the error of a forward-mode derivative is at most four times torch's; a tier's dtype.

    Where torch has forward mode, but not in this precision, at most four times that of a single rounding.
    """
    halves = [dtype for dtype in (torch.bfloat16, torch.float16) if dtype in target.dtypes]
    ratios = {dtype: ErrorRatio(slack=2.0) for dtype in halves}

    def compare(sample: Sample) -> None:
        if not sample.smooth:
            raise NotApplicable("a kink: torch itself takes now one side of it, now the other")
        for dtype, ratio in ratios.items():
            half, rounded = partial(_rounded, dtype), _to(dtype)
            exact = of_torch(partial(_tangents, target, sample, rounded, theirs=True), "torch has no forward mode")
            expected = or_none(partial(_tangents, target, sample, half, theirs=True))
            if expected is None:
                if target.tier is None:
                    raise NotApplicable("torch has no forward mode in this precision")
                expected = [t.to(dtype) for t in exact]
            received = _tangents(target, sample, half)
            # torch itself widens the tangent of a number times a Python number, and on CUDA those of norms
            if target.tier is not None and target.device == "cpu":
                check_same([t.dtype for t in received], [t.dtype for t in expected], "dtype of the tangent")
            ratio.add(received, expected, exact)

    tally = each(target.samples(), compare)
    for dtype, ratio in ratios.items():
        _check_pooled(tally, dtype, partial(ratio.check, "tangent", torch.finfo(dtype).eps))
    return tally


def _tangents(target: Target, sample: Sample, convert: Callable, *, theirs: bool = False) -> list[Tensor]:
    """The derivative in a random direction."""
    args, kwargs = tree_map(each_once(convert), (sample.args, dict(sample.kwargs)))
    whole = of_leaves(target, replace(sample, args=args, kwargs=kwargs), theirs=theirs)
    if not whole.leaves:
        raise NotApplicable("nothing to differentiate by")
    leaves = tuple(leaf.detach() for leaf in whole.leaves)
    directions = tuple(convert(direction) for direction in upstream(leaves))
    return list(torch.func.jvp(lambda *values: tuple(numbers(whole.call(*values))), leaves, directions)[1])


def _measured(
    target: Target,
    dtype: torch.dtype,
    check: Callable[[ErrorRatio, str, float], None],
    *,
    unwritten: bool = False,
) -> Tally:
    """Errors in values and in gradients, and what ``check`` says of them; of ``unwritten`` arguments alone, if so."""
    if dtype not in target.dtypes:
        return Tally(left_out=Counter(["not among the dtypes that were asked for"]))
    values_ratio, gradient_ratio = ErrorRatio(slack=2.0), ErrorRatio(slack=2.0)

    def compare(sample: Sample) -> None:
        theirs = of_torch(lambda: run(target.builtin, sample.args, sample.kwargs, dtype=dtype))
        if not numbers(theirs.output):
            raise NotApplicable("the result has no tensor of floating-point numbers")
        if unwritten:
            refuse_written(theirs, sample, "what is written to an argument is rounded there", dtype=dtype)
        ours = run(target.implementation, sample.args, sample.kwargs, dtype=dtype)
        args, kwargs = tree_map(each_once(_to(dtype)), (sample.args, dict(sample.kwargs)))
        exact = of_torch(lambda: run(target.builtin, args, kwargs, dtype=torch.float64))
        found = [numbers(one.output) for one in (ours, theirs, exact)]
        check_same([x.dtype for x in found[0]], [x.dtype for x in found[1]], "dtype")
        values_ratio.add(*found)
        expected = or_none(lambda: [gradients(theirs), gradients(exact, layout=_to(dtype))])
        if expected is not None:
            grads = [[g for g in each_by if g is not None] for each_by in (gradients(ours), *expected)]
            gradient_ratio.add(*grads)

    tally = each(target.samples(), compare)
    eps = torch.finfo(dtype).eps
    for ratio, what in ((values_ratio, "value"), (gradient_ratio, "gradient")):
        _check_pooled(tally, dtype, partial(check, ratio, what, eps))
    return tally


def _check_pooled(tally: Tally, dtype: torch.dtype, check: Callable[[], None]) -> None:
    try:
        check()
    except Mismatch as error:
        tally.failures.append(Failure(Sample(f"{dtype}, pooled"), error))


def _rounded(dtype: torch.dtype, value: Any, *, kept_in: torch.dtype | None = None) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().to(dtype).to(kept_in or dtype).requires_grad_(value.requires_grad)
    return value


def _to(dtype: torch.dtype) -> Callable:
    """Round to ``dtype`` and keep the rounded value in float64: the oracle sees what the others see."""
    return partial(_rounded, dtype, kept_in=torch.float64)
