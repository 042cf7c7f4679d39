"""Inputs at the ends of what torch accepts: tiny, empty, alone, not finite, tied, expanded, complex."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import Layout, dense, gradients, run, scattered, second_gradients
from conceptlab.verify.closeness import BOUND, NOISE, Mismatch, check_same
from conceptlab.verify.outcomes import compare_calls, few, numbers, outcome, refuse_written, with_rows
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target

Change = Callable[[Tensor], Tensor]


def tiny_inputs(target: Target) -> Tally:
    """Values and gradients again with the first input × 1e-30, where squares vanish and small differences show."""
    changed = (_first_changed(sample, "× 1e-30", lambda x: x * 1e-30) for sample in few(target.samples(), 20))

    def compare(sample: Sample) -> None:
        try:
            compare_calls(target, sample)
        except Mismatch:
            if not _only_rounding(target, sample):
                raise

    return each(filter(None, changed), compare)


def _only_rounding(target: Target, sample: Sample) -> bool:
    """Whether gradients differ by no more than rounding: a gradient that cancels to nothing.

    No fixed floor can tell that from a gradient which is as tiny as the input. But a true gradient grows with the
    upstream one, and what is left of a sum that cancels does not: it is another number each time.
    """
    calls = [partial(outcome, target, sample, theirs=theirs) for theirs in (False, True)]
    check_same(calls[0]().output, calls[1]().output, "value", strides=False)
    once = [gradients(call()) for call in calls]
    threefold = [gradients(call(), layout=lambda g: 3 * g) for call in calls]
    for a, b, thrice_a, thrice_b in zip(*once, *threefold, strict=True):
        if a is None or b is None or thrice_a is None or thrice_b is None:
            if a is not b:
                return False
            continue
        if not a.numel():
            continue
        unsteady = (thrice_a / 3 - a).abs().max() + (thrice_b / 3 - b).abs().max()
        if (a - b).abs().max() > BOUND * b.abs().max() + 10 * unsteady:
            return False
    return True


def expanded_inputs(target: Target) -> Tally:
    """Values and gradients for inputs of which all rows are one and the same memory."""

    def compare(sample: Sample) -> None:
        # what is written is undefined where many numbers are one memory
        theirs = of_torch(lambda: outcome(target, sample, theirs=True, layout=_expanded))
        refuse_written(theirs, sample, "it is written to, which may not be expanded", layout=_expanded)
        # rows that are all alike have no variance: what a norm computes is rounding, times 1 / √eps
        compare_calls(target, sample, layout=_expanded, noise=1000 * NOISE)

    return each(few(target.samples(), 20), compare)


def _expanded(x: Tensor) -> Tensor:
    return x[:1].expand(x.shape) if x.dim() else x


_UNWRITTEN = "for no samples torch returns memory that it has not written"
_LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "no samples": {
        **dict.fromkeys(
            ("multi_margin_loss", "multilabel_margin_loss", "MultiMarginLoss", "MultiLabelMarginLoss"), _UNWRITTEN
        ),
        "pdist": "the backward pass of no samples crashes torch itself",
    },
    "no channels": {"group_norm": "torch refuses it from some release after 2.11 on, and our tiers always"},
}
"""Why some parts are not asked for some of the ends."""

_GRADIENT_BY_RELEASE = frozenset({"scaled_dot_product_attention"})
"""Whose mask has no gradient of no samples, or one of zeros, by torch's release."""


def extremes(target: Target) -> Tally:
    """Values and gradients for no samples, one, no channels, NaN, ±inf, zeros, whole numbers, equal numbers."""

    def compare(sample: Sample) -> None:
        first = sample.args[0] if sample.args else None
        if sample.finite_only and isinstance(first, Tensor) and not first.isfinite().all():
            raise NotApplicable(sample.finite_only)
        end = sample.name.rpartition(", ")[2]
        if reason := _LEFT_OUT.get(end, {}).get(target.part.name):
            raise NotApplicable(reason)
        answer = _decided(target, sample)
        # ∞ − ∞: the value is NaN, and its gradient what the order of the terms makes of it
        indefinite = any(x.isnan().any() for x in numbers(answer)) and not _has_nan(sample)
        by_release = end == "no samples" and target.part.name in _GRADIENT_BY_RELEASE
        compare_calls(target, sample, noise=NOISE, values_only=indefinite, none_is_zero=by_release)

    # a layer's parameters say how many channels there are
    channels = not target.part.is_class
    return each((end for sample in few(target.samples(), 6) for end in ends(sample, channels=channels)), compare)


def ends(sample: Sample, *, channels: bool) -> Iterator[Sample]:
    """A sample's variants at the ends; that without channels only where ``channels``."""
    rows: dict[str, Change] = {"no samples": lambda x: x[:0], "one sample": lambda x: x[:1]}
    for name, change in rows.items():
        if (changed := with_rows(sample, change)) is not None:
            yield dataclasses.replace(changed, name=f"{sample.name}, {name}")
    if channels and (changed := _without_channels(sample)) is not None:
        yield changed
    changes: dict[str, Change] = {
        "NaN": lambda x: _with_one(x, math.nan),
        "inf": lambda x: _with_one(x, math.inf),
        "-inf": lambda x: _with_one(x, -math.inf),
        "zeros": torch.zeros_like,
        "equal numbers": lambda x: torch.full_like(x, 0.5),
        "whole numbers": torch.round,
    }
    for name, change in changes.items():
        if (changed := _first_changed(sample, name, change)) is not None:
            yield changed


def _first_changed(sample: Sample, name: str, change: Change) -> Sample | None:
    """With another first argument; None where that is no tensor of numbers."""
    first, *rest = sample.args or (None,)
    if not isinstance(first, Tensor) or not first.is_floating_point():
        return None
    changed = change(first.detach().clone()).requires_grad_(first.requires_grad)
    return dataclasses.replace(sample, name=f"{sample.name}, {name}", args=(changed, *rest))


def _with_one(x: Tensor, number: float) -> Tensor:
    flat = x.flatten()
    flat[x.numel() // 2 : x.numel() // 2 + 1] = number
    return flat.reshape(x.shape)


def _without_channels(sample: Sample) -> Sample | None:
    """With no channels in the first argument, nor in tensors of its shape, nor in vectors that had one for each."""
    first = next(iter(sample.args), None)
    # without classes there is none that an integer could name
    integers = any(isinstance(a, Tensor) and not a.is_floating_point() for a in sample.args)
    if not isinstance(first, Tensor) or first.dim() < 2 or integers:
        return None

    def narrowed(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.shape not in (first.shape, first.shape[1:2]):
            return value
        empty = value.detach().narrow(0 if value.dim() == 1 else 1, 0, 0)
        return empty.clone().requires_grad_(value.requires_grad)

    args, kwargs = tree_map(narrowed, (sample.args, dict(sample.kwargs)))
    return dataclasses.replace(sample, name=f"{sample.name}, no channels", args=args, kwargs=kwargs)


def _decided(target: Target, sample: Sample) -> Any:
    """torch's own result.

    Raises:
        NotApplicable: torch's answer is another one where the same numbers lie otherwise in memory, as for some
            functions at NaN, of which its vector instructions and its plain ones make different things.
    """
    # in place torch takes other paths, but its answer is meant to be the same
    plain = dataclasses.replace(
        sample, kwargs=_not_in_place(sample.kwargs), init_kwargs=_not_in_place(sample.init_kwargs)
    )
    answer, other = (_answer(target, plain, layout) for layout in (None, scattered))
    try:
        check_same(other, answer, "torch's own", noise=NOISE, strides=False)
    except Mismatch as error:
        raise NotApplicable("torch's own answer depends on how the input lies in memory") from error
    return answer[0]


def _answer(target: Target, sample: Sample, layout: Layout | None) -> tuple[Any, Any]:
    """torch's own result, and its gradients, where it has them."""
    theirs = or_none(lambda: outcome(target, sample, theirs=True, layout=layout))
    return (None, None) if theirs is None else (theirs.output, or_none(lambda: gradients(theirs)))


def _has_nan(sample: Sample) -> bool:
    return any(x.isnan().any() for x in numbers((sample.args, dict(sample.kwargs))))


def _not_in_place(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name != "inplace"}


def complex_numbers(target: Target) -> Tally:
    """Values and two derivatives for complex inputs, where torch takes them; what is refused in words is no failure."""
    if target.part.is_class:
        source = torch_samples.class_samples(target.part, torch.complex128, training=True)
    else:
        source = torch_samples.function_samples(target.part, torch.complex128)

    def compare(sample: Sample) -> None:
        try:
            compare_calls(target, sample, noise=NOISE)
        except NotImplementedError as error:
            raise NotApplicable("it refuses complex numbers in words") from error
        ours, theirs = (run(f, sample.args, sample.kwargs) for f in (target.implementation, target.builtin))
        expected = or_none(lambda: second_gradients(theirs))
        if sample.smooth and expected is not None:
            received = dense(second_gradients(ours), theirs)
            check_same(received, dense(expected, theirs), "second derivative", noise=NOISE, strides=False)

    return each(few(source, 20), compare)
