"""Derivatives that torch itself lacks, of parts that have them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from conceptlab.core.samples import Sample
from conceptlab.verify.closeness import NOISE, Mismatch, check_same
from conceptlab.verify.outcomes import of_leaves
from conceptlab.verify.suite.derivatives import combined, random_like, results, weighted_gradient
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target

_STEP = 1e-5
_BOUND, _ERROR = 1e-6, 1e-9
"""In float64: of central differences, as a share of the largest number, and what they leave of zero."""
_MOST = 100
"""Results of so many numbers are asked for their derivatives one by one."""


def derivatives_beyond_torch(target: Target) -> Tally:
    """Forward mode and second derivatives that torch lacks: against its gradients, and differences of these."""

    def compare(sample: Sample) -> None:
        mine, whole = (of_leaves(target, sample, theirs=theirs) for theirs in (False, True))
        leaves = tuple(x.detach() for x in whole.leaves)
        ours, theirs = results(mine), results(whole)
        directions = random_like(leaves)
        if or_none(lambda: torch.autograd.functional.jvp(theirs, leaves, directions)) is not None:
            raise NotApplicable("torch has second derivatives")
        found = or_none(lambda: theirs(*whole.leaves))
        if found is None or not leaves or not all(y.requires_grad for y in found):
            raise NotApplicable("nothing to differentiate")
        if sum(y.numel() for y in found) > _MOST:
            raise NotApplicable("too many results")
        tangent = of_torch(
            lambda: tuple(_number_by_number(y, whole.leaves, directions) for y in found), "torch has no derivative"
        )
        try:
            check_same(torch.func.jvp(ours, leaves, directions)[1], tangent, "tangent", noise=NOISE, strides=False)
            if sample.smooth:
                _compare_seconds(ours, theirs, leaves, tangent)
        except Mismatch:
            # as where it is divided by the number of places of a word
            if torch.autograd.gradcheck(theirs, whole.leaves, fast_mode=True, raise_exception=False):
                raise
            raise NotApplicable("torch's own gradient is no derivative") from None

    return each(target.samples(), compare)


def _number_by_number(y: Tensor, leaves: Sequence[Tensor], directions: Sequence[Tensor]) -> Tensor:
    """The derivative in a direction by reverse mode: a gradient for each number of the result."""

    def along(number: Tensor) -> float:
        slopes = torch.autograd.grad(number, leaves, retain_graph=True, allow_unused=True)
        pairs = zip(slopes, directions, strict=True)
        return sum((g.to_dense() * d).sum().item() for g, d in pairs if g is not None)

    return torch.tensor([along(number) for number in y.reshape(-1)], dtype=y.dtype, device=y.device).reshape(y.shape)


def _compare_seconds(ours: Callable, theirs: Callable, leaves: tuple[Tensor, ...], tangent: tuple[Tensor, ...]) -> None:
    n = len(leaves)
    directions, weights, others = random_like(leaves), random_like(tangent, 1), random_like(tangent, 2)

    def slope(*v: Tensor) -> Tensor:
        return torch.func.jvp(combined(ours, weights), v[:n], v[n:] or directions)[1]

    def of_theirs(step: float, weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        place = (x + step * d for x, d in zip(leaves, directions, strict=True))
        found = of_torch(lambda: weighted_gradient(theirs, n)(*place, *weights), "torch has no derivative")
        return tuple(g.to_dense() for g in found)

    upstream, above, below = of_theirs(0, others), of_theirs(_STEP, weights), of_theirs(-_STEP, weights)
    curved = tuple((a - b) / (2 * _STEP) for a, b in zip(above, below, strict=True))
    point = (*leaves, *weights)
    for mode, received, expected in (
        (
            "forward over reverse",
            torch.func.jvp(weighted_gradient(ours, n), point, (*directions, *others))[1],
            tuple(c + u for c, u in zip(curved, upstream, strict=True)),
        ),
        (
            "reverse over reverse",
            torch.func.vjp(weighted_gradient(ours, n), *point)[1](directions),
            (*curved, *tangent),
        ),
        (
            "reverse over forward",
            torch.func.grad(slope, argnums=tuple(range(2 * n)))(*leaves, *directions),
            (*curved, *of_theirs(0, weights)),
        ),
        (
            "forward over forward",
            torch.func.jvp(slope, leaves, directions)[1],
            torch.stack([(c * d).sum() for c, d in zip(curved, directions, strict=True)]).sum(),
        ),
    ):
        check_same(received, expected, mode, bound=_BOUND, noise=_ERROR, strides=False)
