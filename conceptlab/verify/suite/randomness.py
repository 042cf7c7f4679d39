"""Random numbers: what is drawn, and how much."""

import dataclasses
import math

import torch
from torch import Tensor

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import gradients, reseed, upstream
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.outcomes import callable_of, few, of_leaves, outcome
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target


def random_stream(target: Target) -> Tally:
    """Construction, forward and backward draw as many random numbers as torch's: what comes after them is the same."""

    def states(sample: Sample, *, theirs: bool) -> dict[str, Tensor]:
        reseed(0)
        callable_of(target, sample, theirs=theirs)
        found = {"construction": torch.get_rng_state()}
        called = outcome(target, sample, theirs=theirs)
        found["the forward pass"] = torch.get_rng_state()
        or_none(lambda: gradients(called))
        return {**found, "the backward pass": torch.get_rng_state()}

    def compare(sample: Sample) -> None:
        expected = of_torch(lambda: states(sample, theirs=True))
        received = states(sample, theirs=False)
        for when, state in expected.items():
            if not torch.equal(received[when], state):
                raise Mismatch(f"the random numbers after {when} are others than after torch's own")

    return each(few(target.samples(), 20), compare)


DRAWS = 4000
"""How many numbers go through at once. Each is a sample of its own, with one channel of one number."""

Law = dict[tuple[float, float], int]


def law_of_the_draw(target: Target) -> Tally:
    """Each number is dropped or rescaled as torch's, as often within 5 sigma, and backward uses the same mask."""

    def compare(sample: Sample) -> None:
        if not target.draws(sample):
            raise NotApplicable("torch's own draws nothing")
        many = _many_ones(sample)
        theirs = of_torch(lambda: _law(target, many, theirs=True), "torch has no derivative")
        if len(theirs) > 2:
            raise NotApplicable("torch's own draws more than whether a number is dropped")
        ours = _law(target, many, theirs=False)
        if strange := [pair for pair in ours if not any(_near(pair, other) for other in theirs)]:
            raise Mismatch(
                f"expected numbers with the derivatives {sorted(theirs)}, received {sorted(strange)}: "
                "another value, or another mask in backward"
            )
        for pair, count in theirs.items():
            received = sum(n for other, n in ours.items() if _near(pair, other))
            share = count / DRAWS
            if abs(received - count) > 5 * math.sqrt(2 * DRAWS * share * (1 - share)):
                raise Mismatch(f"expected the value {pair[0]:.4g} about {count} times in {DRAWS}, received {received}")

    return each(few(target.samples(drawing=True), 20), compare)


def _many_ones(sample: Sample) -> Sample:
    first, *rest = sample.args or (None,)
    if not isinstance(first, Tensor) or not first.is_floating_point() or not first.dim():
        raise NotApplicable("the first argument is no tensor of numbers")
    ones = first.new_ones(DRAWS, *(1 for _ in first.shape[1:])).requires_grad_()
    return dataclasses.replace(sample, args=(ones, *rest))


def _law(target: Target, sample: Sample, *, theirs: bool) -> Law:
    """How often each pair of a number and its derivative comes out."""
    whole = of_leaves(target, sample, theirs=theirs)
    result = whole.call(*whole.leaves)
    if not isinstance(result, Tensor) or result.shape != sample.args[0].shape or not result.requires_grad:
        raise NotApplicable("not a number for each number")
    (up,) = upstream([result])
    (grad,) = torch.autograd.grad(result, whole.leaves[:1], up)
    pairs = torch.stack([result.detach().flatten(), (grad / up).flatten()], dim=1)
    values, counts = (pairs * 1e9).round().unique(dim=0, return_counts=True)
    return {(y / 1e9, d / 1e9): n for (y, d), n in zip(values.tolist(), counts.tolist(), strict=True)}


def _near(pair: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= 1e-8 for a, b in zip(pair, other, strict=True))
