"""Derivatives of second and third order in which forward mode takes part, and third ones without it."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import run, third_gradients, upstream
from conceptlab.verify.closeness import NOISE, Mismatch, check_same
from conceptlab.verify.outcomes import of_leaves
from conceptlab.verify.suite.derivatives import (
    KINK,
    combined,
    gradient,
    random_like,
    results,
    smallest,
    tangent,
    weighted,
    weighted_gradient,
)
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, unless_torch_fails
from conceptlab.verify.target import Target


def mixed_modes(target: Target) -> Tally:
    """Forward mode over reverse mode, with a graph and, in a tier, without; under it; and twice."""

    def compare(sample: Sample) -> None:
        if not sample.smooth:
            raise NotApplicable(KINK)
        ours, theirs, leaves = _both(target, sample)
        expected = of_torch(lambda: _seconds(theirs, leaves), "torch has no second derivative")

        def same(f: Callable) -> None:
            for (mode, received), one in zip(_by_mixed_modes(f, leaves), expected, strict=True):
                check_same(tree_map(torch.detach, received), one, mode, noise=NOISE, strides=False)

        _also_for_torch(target, same, ours, theirs)
        # torch has no tangents of sparse gradients
        if target.tier is not None and all(g.layout is torch.strided for g in gradient(combined(ours))(*leaves)):
            received = _tangents_of_gradient(ours, leaves)
            curved = expected[1][: len(leaves)]
            check_same(received, curved, "forward over reverse, without a graph", noise=NOISE, strides=False)

    return each(target.samples(), compare)


def mixed_thirds(target: Target) -> Tally:
    """Reverse mode over forward mode over reverse mode, of a few small samples.

    What it is about is the second derivative in a direction. It is linear in the direction, so its gradient by the
    direction is the second derivative's transpose, as it comes by reverse over reverse.
    """

    def compare(sample: Sample) -> None:
        ours, theirs, leaves = _both(target, sample)
        n, values = len(leaves), theirs(*leaves)
        point, moves = (*leaves, *random_like(values)), random_like((*leaves, *values), 1)
        weights = random_like(leaves, 2)
        curved = of_torch(
            lambda: torch.func.vjp(weighted_gradient(theirs, n), *point)[1](weights), "torch has no second derivative"
        )

        def same(f: Callable) -> None:
            def along(*moves: Tensor) -> Tensor:
                return weighted(torch.func.jvp(weighted_gradient(f, n), point, moves)[1], weights)

            received, expected = tree_map(torch.detach, (gradient(along)(*moves), curved))
            check_same(received, expected, "reverse over forward over reverse", noise=NOISE, strides=False)

        _also_for_torch(target, same, ours, theirs)

    return each(smallest(target.samples()), compare)


def third_derivatives(target: Target) -> Tally:
    """Third derivatives, of a few small samples; not where torch's own are wrong, as those of ``layer_norm`` are."""

    def compare(sample: Sample) -> None:
        expected = of_torch(
            lambda: third_gradients(run(target.builtin, sample.args, sample.kwargs)), "torch has no third derivative"
        )
        if not expected:
            raise NotApplicable("nothing to differentiate")
        received = third_gradients(run(target.implementation, sample.args, sample.kwargs))
        try:
            check_same(received, expected, "third derivative", noise=NOISE, strides=False)
        except Mismatch:
            whole = of_leaves(target, sample, theirs=True)
            first = gradient(combined(results(whole)))
            # (the fast mode lets wrong ones pass)
            if torch.autograd.gradgradcheck(first, whole.leaves, atol=1e-4, raise_exception=False):
                raise
            raise NotApplicable("torch's own is not that of the differences") from None

    return each(smallest(target.samples()), compare)


def _both(target: Target, sample: Sample) -> tuple[Callable, Callable, tuple[Tensor, ...]]:
    """Ours and torch's own as functions of the leaves, and the leaves."""
    if target.tier is None and not torch_samples.supports_forward_mode(target.part):
        raise NotApplicable("torch has no forward mode")
    ours, theirs = (of_leaves(target, sample, theirs=which) for which in (False, True))
    leaves = tuple(x.detach() for x in theirs.leaves)
    if not leaves:
        raise NotApplicable("nothing to differentiate by")
    if not of_torch(lambda: results(theirs)(*leaves)):
        raise NotApplicable("nothing to differentiate")
    return results(ours), results(theirs), leaves


def _also_for_torch(target: Target, same: Callable[[Callable], None], ours: Callable, theirs: Callable) -> None:
    """A tier has to be right where torch's own fails, too; nobody else has to."""
    if target.tier is not None:
        same(ours)
    else:
        unless_torch_fails(same, ours, theirs, "torch's own fails in mixed modes")


def _seconds(f: Callable, leaves: tuple[Tensor, ...]) -> tuple:
    """What `_by_mixed_modes` has to give, without forward mode.

    It is told by reverse over reverse, which `second_derivatives` is about, and by the gradient, which is linear in the
    weights of the results: torch has not all of the other modes right.
    """
    directions, values = random_like(leaves), f(*leaves)
    curved = torch.func.vjp(gradient(combined(f)), *leaves)[1](directions)
    if not all(t.isfinite().all() for t in (*values, *curved)):
        raise NotApplicable("it is not finite")
    first, moved = (gradient(combined(f, weights))(*leaves) for weights in ((), tuple(upstream(values))))
    first, moved, curved = ([g.detach().to_dense() for g in grads] for grads in (first, moved, curved))
    along = torch.stack([(h * d).sum() for h, d in zip(curved, directions, strict=True)]).sum()
    return tuple(h + g for h, g in zip(curved, moved, strict=True)), (*curved, *first), along


def _by_mixed_modes(f: Callable, leaves: tuple[Tensor, ...]) -> Iterator[tuple[str, Any]]:
    n, directions, values = len(leaves), random_like(leaves), f(*leaves)

    def slope(*point: Tensor) -> Tensor:
        return torch.func.jvp(combined(f), point[:n], point[n:])[1]

    point, moves = (*leaves, *random_like(values)), (*directions, *upstream(values))
    yield "forward over reverse", torch.func.jvp(weighted_gradient(f, n), point, moves)[1]
    yield "reverse over forward", gradient(slope)(*leaves, *directions)
    yield "forward over forward", tangent(lambda *x: slope(*x, *directions), leaves)


def _tangents_of_gradient(f: Callable, leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Those of the backward pass itself, of which there is to be no graph."""
    with forward_ad.dual_level():
        pairs = zip(leaves, random_like(leaves), strict=True)
        point = [forward_ad.make_dual(x.clone().requires_grad_(), direction) for x, direction in pairs]
        grads = torch.autograd.grad(combined(f)(*point), point, allow_unused=True, materialize_grads=True)
        tangents = [forward_ad.unpack_dual(g).tangent for g in grads]
    return tuple(torch.zeros_like(x) if t is None else t for x, t in zip(leaves, tangents, strict=True))
