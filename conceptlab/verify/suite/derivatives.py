"""Derivatives beyond the first, by reverse mode, forward mode and both, and by differences."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import dense, run, second_gradients, third_gradients, upstream
from conceptlab.verify.closeness import NOISE, Mismatch, check_same
from conceptlab.verify.outcomes import OfLeaves, few, numbers, of_leaves
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, or_none, unless_torch_fails
from conceptlab.verify.target import Target


def second_derivatives(target: Target) -> Tally:
    """Second derivatives by inputs and upstream gradient, and some third ones, where torch has them."""
    every = list(target.samples())
    small = _smallest(every)

    def compare(sample: Sample) -> None:
        if not sample.smooth:
            raise NotApplicable("a kink: torch itself takes now one side of it, now the other")
        theirs = of_torch(lambda: run(target.builtin, sample.args, sample.kwargs))
        expected = of_torch(lambda: second_gradients(theirs), "torch has no second derivative")
        if not theirs.differentiable:
            raise NotApplicable("nothing to differentiate")
        received = second_gradients(run(target.implementation, sample.args, sample.kwargs))
        # elsewhere the terms are added in another order, and where they cancel that shows
        noise = 0.0 if target.device == "cpu" else NOISE
        # None and zero both mean: no dependence
        check_same(dense(received, theirs), dense(expected, theirs), "second derivative", noise=noise, strides=False)
        if any(sample is one for one in small):
            _compare_thirds(target, sample)

    return each(every, compare)


def _compare_thirds(target: Target, sample: Sample) -> None:
    """Third derivatives; not where torch's own are wrong, as those of ``layer_norm`` are."""
    expected = or_none(lambda: third_gradients(run(target.builtin, sample.args, sample.kwargs)))
    if expected is None:
        return
    received = third_gradients(run(target.implementation, sample.args, sample.kwargs))
    try:
        check_same(received, expected, "third derivative", noise=NOISE, strides=False)
    except Mismatch:
        whole = of_leaves(target, sample, theirs=True)
        gradient = _gradient(combined(results(whole)))
        if torch.autograd.gradgradcheck(gradient, whole.leaves, fast_mode=True, atol=1e-4, raise_exception=False):
            raise


def forward_mode(target: Target) -> Tally:
    """Forward-mode derivatives, also over reverse mode, under it, and twice; and some third ones."""
    supported = torch_samples.supports_forward_mode(target.part)
    every = list(target.samples())
    small = _smallest(every)

    def compare(sample: Sample) -> None:
        # ours has one, and what torch's has on the way may be enough to tell
        if not supported and target.tier is None:
            raise NotApplicable("torch has no forward mode")
        leaves = tuple(x.detach() for x in of_leaves(target, sample).leaves)
        if not leaves:
            raise NotApplicable("nothing to differentiate by")
        ours, theirs = (results(of_leaves(target, sample, theirs=which)) for which in (False, True))
        expected = or_none(lambda: _tangent(theirs, leaves))
        if expected is None and target.tier is not None:
            # ours has one, where there is a derivative at all
            expected = or_none(lambda: torch.autograd.functional.jvp(theirs, leaves, random_like(leaves))[1])
        if expected is None:
            raise NotApplicable("torch has no forward mode")
        if not expected:
            raise NotApplicable("nothing to differentiate")
        check_same(_tangent(ours, leaves), expected, "tangent", noise=NOISE, strides=False)
        seconds = or_none(lambda: _seconds(theirs, leaves)) if sample.smooth else None
        if seconds is None:
            return

        def mixed(f: Callable) -> None:
            for (mode, received), expected in zip(_by_mixed_modes(f, leaves), seconds, strict=True):
                check_same(tree_map(torch.detach, received), expected, mode, noise=NOISE, strides=False)

        if target.tier is not None:
            mixed(ours)  # it holds where torch's own fail, too
        else:
            unless_torch_fails(mixed, ours, theirs, "torch's own fails in mixed modes")
        if target.tier is not None and any(sample is one for one in small):
            _compare_mixed_thirds(ours, theirs, leaves)

    return each(every, compare)


def _seconds(f: Callable, leaves: tuple[Tensor, ...]) -> tuple | None:
    """What `_by_mixed_modes` has to give, without forward mode; None where it is not finite.

    It is told by reverse over reverse, which `second_derivatives` is about, and by the gradient, which is linear in the
    weights of the results: torch has not all of the other modes right.
    """
    directions, values = random_like(leaves), f(*leaves)
    curved = torch.func.vjp(_gradient(combined(f)), *leaves)[1](directions)
    if not all(t.isfinite().all() for t in (*values, *curved)):
        return None
    first, moved = (_gradient(combined(f, weights))(*leaves) for weights in ((), tuple(upstream(values))))
    first, moved, curved = ([g.detach().to_dense() for g in grads] for grads in (first, moved, curved))
    along = torch.stack([(h * d).sum() for h, d in zip(curved, directions, strict=True)]).sum()
    return tuple(h + g for h, g in zip(curved, moved, strict=True)), (*curved, *first), along


def _by_mixed_modes(f: Callable, leaves: tuple[Tensor, ...]) -> Iterator[tuple[str, Any]]:
    n, directions, values = len(leaves), random_like(leaves), f(*leaves)

    def slope(*point: Tensor) -> Tensor:
        return torch.func.jvp(combined(f), point[:n], point[n:])[1]

    point, moves = (*leaves, *random_like(values)), (*directions, *upstream(values))
    yield "forward over reverse", torch.func.jvp(weighted_gradient(f, n), point, moves)[1]
    yield "reverse over forward", _gradient(slope)(*leaves, *directions)
    yield "forward over forward", _tangent(lambda *x: slope(*x, *directions), leaves)


def _compare_mixed_thirds(ours: Callable, theirs: Callable, leaves: tuple[Tensor, ...]) -> None:
    """Reverse over forward over reverse: the second derivative in a direction, which is linear in the direction.

    So its gradient by the direction is the second derivative's transpose, as it comes by reverse over reverse.
    """
    n, values = len(leaves), theirs(*leaves)
    point, moves, weights = (*leaves, *random_like(values)), random_like((*leaves, *values), 1), random_like(leaves, 2)

    def along(*moves: Tensor) -> Tensor:
        return weighted(torch.func.jvp(weighted_gradient(ours, n), point, moves)[1], weights)

    found = _gradient(along)(*moves), torch.func.vjp(weighted_gradient(theirs, n), *point)[1](weights)
    received, expected = tree_map(torch.detach, found)
    check_same(received, expected, "reverse over forward over reverse", noise=NOISE, strides=False)


def results(whole: OfLeaves) -> Callable:
    """The call, which gives all results that have derivatives."""
    return lambda *values: tuple(numbers(whole.call(*values)))


def _tangent(f: Callable, leaves: tuple[Tensor, ...]) -> Any:
    """The derivative of ``f`` in a random direction, by forward mode."""
    return torch.func.jvp(f, leaves, random_like(leaves))[1]


def _gradient(f: Callable) -> Callable:
    """The gradient of a number, by reverse mode."""
    return lambda *values: torch.func.grad(f, argnums=tuple(range(len(values))))(*values)


def weighted_gradient(f: Callable, n: int) -> Callable:
    """The gradient by the first n arguments; what the results are weighted with are arguments, too."""
    return lambda *values: _gradient(combined(f, values[n:]))(*values[:n])


def combined(f: Callable, weights: tuple[Tensor, ...] = ()) -> Callable:
    """A combination of the results, a random one if no weights are given."""

    def combination(*values: Tensor) -> Tensor:
        outputs = f(*values)
        return weighted(outputs, weights or random_like(outputs))

    return combination


def weighted(values: Iterable[Tensor], weights: Iterable[Tensor]) -> Tensor:
    """The sum of all numbers, each times its weight."""
    return torch.stack([(y * w).sum() for y, w in zip(values, weights, strict=True)]).sum()


def random_like(tensors: Iterable[Tensor], seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x) for x in tensors)


def func_grad(target: Target) -> Tally:
    """``torch.func.grad`` of the result's product with random numbers, by inputs and parameters."""

    def gradient(whole: OfLeaves) -> Any:
        def scalar(*values: Tensor) -> Tensor:
            outputs = numbers(whole.call(*values))
            return weighted(outputs, upstream(outputs))

        places = tuple(range(len(whole.leaves)))
        return torch.func.grad(scalar, argnums=places)(*(x.detach() for x in whole.leaves))

    def compare(sample: Sample) -> None:
        theirs = of_torch(lambda: of_leaves(target, sample, theirs=True))
        if not theirs.leaves:
            raise NotApplicable("nothing to differentiate by")
        expected = of_torch(lambda: gradient(theirs), "torch has no derivative")
        received = gradient(of_leaves(target, sample))
        check_same(received, expected, "func.grad", noise=NOISE, strides=False)

    return each(few(target.samples(), 20), compare)


def gradcheck(target: Target) -> Tally:
    """Derivatives against finite differences, on the smallest samples."""
    return each(
        _smallest(target.samples()), lambda sample: _against_differences(target, sample, torch.autograd.gradcheck)
    )


def gradgradcheck(target: Target) -> Tally:
    """Derivatives of second order against finite differences, on the smallest samples."""

    def compare(sample: Sample) -> None:
        if not torch_samples.supports_second_derivative(target.part):
            raise NotApplicable("torch has no second derivative")
        _against_differences(target, sample, partial(torch.autograd.gradgradcheck, atol=1e-4))

    return each(_smallest(target.samples()), compare)


def _against_differences(target: Target, sample: Sample, check: Callable) -> None:
    """Raises:
    NotApplicable: torch's own derivative is not that of the differences either, as at a kink.
    """

    def checked(*, theirs: bool) -> None:
        whole = of_leaves(target, sample, theirs=theirs)
        check(lambda *values: tuple(numbers(whole.call(*values))), whole.leaves, fast_mode=True)

    theirs = of_torch(lambda: of_leaves(target, sample, theirs=True))  # what torch's own warns of is no news
    of_torch(lambda: theirs.call(*theirs.leaves))
    try:
        checked(theirs=False)
    except Exception:
        of_torch(lambda: checked(theirs=True), "torch's own fails")
        raise


def _smallest(samples: Iterable[Sample]) -> list[Sample]:
    """A few of those of at most 1000 numbers."""

    def fits(sample: Sample) -> bool:
        tensors = [a for a in sample.args if isinstance(a, Tensor)]
        return 0 < sum(a.numel() for a in tensors) <= 1000 and any(a.requires_grad for a in tensors)

    return few((sample for sample in samples if sample.smooth and fits(sample)), 6)
