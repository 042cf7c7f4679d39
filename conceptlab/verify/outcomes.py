"""One call of a target, whatever its kind: of a function, or of a layer that is built for it."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import Layout, Outcome, filled, gradients, reseed, run
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.tally import NotApplicable, of_torch, or_none
from conceptlab.verify.target import Target


def callable_of(target: Target, sample: Sample, *, theirs: bool = False) -> Callable:
    """The function; of a layer, one that is built as the sample says. Or torch's own."""
    if target.part.is_class:
        return target.built(sample, of_torch=theirs)
    return target.builtin if theirs else target.implementation


def outcome(target: Target, sample: Sample, *, theirs: bool = False, layout: Layout | None = None) -> Outcome:
    """One seeded call of the target, or of torch's own; a layer's parameters are among the leaves."""
    return called(callable_of(target, sample, theirs=theirs), sample, layout=layout)


def called(function: Callable, sample: Sample, *, layout: Layout | None = None) -> Outcome:
    """One seeded call of a function, or of a layer, whose parameters are among the leaves."""
    result = run(function, sample.args, sample.kwargs, layout=layout)
    if isinstance(function, nn.Module):
        result.leaves.extend(p for p in function.parameters() if p.requires_grad)
    return result


def compare_calls(
    target: Target,
    sample: Sample,
    *,
    layout: Layout | None = None,
    noise: float = 0.0,
    values_only: bool = False,
    none_is_zero: bool = False,
) -> None:
    """Values and gradients of one call of the target, and of torch's own.

    Where ``none_is_zero``, no gradient counts as one of zeros.

    Raises:
        Mismatch: they differ.
        NotApplicable: torch itself refuses the call.
    """
    theirs = of_torch(lambda: outcome(target, sample, theirs=True, layout=layout))
    expected = None if values_only else or_none(lambda: gradients(theirs))
    ours = outcome(target, sample, layout=layout)
    check_same(ours.output, theirs.output, "value", strides=False)
    if expected is not None:
        received: Sequence[Tensor | None] = gradients(ours)
        if none_is_zero:
            received, expected = (filled(grads, ours.leaves) for grads in (received, expected))
        check_same(received, expected, "gradient", noise=noise, strides=False)


@dataclass(frozen=True)
class OfLeaves:
    """One call as a function of the tensors that it is differentiated by, and of nothing else.

    Attributes:
        call: takes the tensors, in the order of ``leaves``; seeded, so that each call draws the same.
        leaves: a layer's inputs, then its parameters.
    """

    call: Callable
    leaves: tuple[Tensor, ...]


def of_leaves(target: Target, sample: Sample, *, theirs: bool = False) -> OfLeaves:
    """A sample's call in that form; what comes in lists, or by name, is differentiated by, too."""
    function = callable_of(target, sample, theirs=theirs)
    own = dict(function.named_parameters()) if isinstance(function, nn.Module) else {}
    given, form = tree_flatten((tuple(sample.args), dict(sample.kwargs)))
    leaves = leaves_of(sample)

    def call(*values: Tensor) -> Any:
        # what comes twice is one tensor
        current = {id(a): a for a in given if isinstance(a, Tensor)}
        current |= {id(leaf): value for leaf, value in zip(leaves, values, strict=False)}
        # an in-place function may write to what it is given, and finite differences come back to it
        copies = {name: value.clone() for name, value in current.items()}
        args, kwargs = tree_unflatten([copies.get(id(a), a) for a in given], form)
        reseed()
        if isinstance(function, nn.Module):
            parameters = dict(zip(own, values[len(leaves) :], strict=True))
            return torch.func.functional_call(function, parameters, args, kwargs)
        return function(*args, **kwargs)

    return OfLeaves(call, (*leaves, *own.values()))


def leaves_of(sample: Sample) -> list[Tensor]:
    """The arguments that are to be differentiated by, each once, also those in lists and by name."""
    given = tree_flatten((tuple(sample.args), dict(sample.kwargs)))[0]
    return list({id(a): a for a in given if isinstance(a, Tensor) and a.requires_grad}.values())


def refuse_written(
    theirs: Outcome, sample: Sample, reason: str, *, layout: Layout | None = None, dtype: torch.dtype | None = None
) -> None:
    """Leave out a sample to whose arguments torch has written; ``layout`` and ``dtype`` are those of its call.

    Raises:
        NotApplicable: it has, with the reason.
    """
    before = run(lambda *args, **kwargs: None, sample.args, sample.kwargs, layout=layout, dtype=dtype)
    try:
        check_same(theirs.arguments, before.arguments, "arguments", bound=0.0, strides=False)
    except Mismatch as error:
        raise NotApplicable(reason) from error


def with_rows(sample: Sample, change: Callable[[Tensor], Tensor]) -> Sample | None:
    """With other rows, of the first argument and of all tensors that have as many; None where it has no rows."""
    first = next(iter(sample.args), None)
    if not isinstance(first, Tensor) or not first.dim():
        return None

    def changed(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.shape[:1] != first.shape[:1]:
            return value
        return change(value.detach()).clone().requires_grad_(value.requires_grad)

    args, kwargs = tree_map(changed, (sample.args, dict(sample.kwargs)))
    return replace(sample, args=args, kwargs=kwargs)


def numbers(nested: Any) -> list[Tensor]:
    """The tensors of floating-point numbers in a nested value."""
    return [x for x in tree_flatten(nested)[0] if isinstance(x, Tensor) and x.is_floating_point()]


def tensors_given(sample: Sample) -> list[Tensor]:
    """The tensors among the arguments of the call."""
    return [x for x in tree_flatten((sample.args, dict(sample.kwargs)))[0] if isinstance(x, Tensor)]


def few(samples: Iterable[Sample], count: int) -> list[Sample]:
    """At most ``count`` of the samples, drawn from all alike, the same in every run."""
    every = list(samples)
    if len(every) <= count:
        return every
    return [every[i] for i in sorted(random.Random(0).sample(range(len(every)), count))]
