"""Second derivatives by reverse mode, first ones by forward mode, and both by differences."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import dense, run, second_gradients, upstream
from conceptlab.verify.closeness import NOISE, check_same
from conceptlab.verify.outcomes import OfLeaves, few, numbers, of_leaves
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch, or_none
from conceptlab.verify.target import Target

KINK = "a kink: torch itself takes now one side of it, now the other"


def second_derivatives(target: Target) -> Tally:
    """Second derivatives by inputs and upstream gradient, alone and beside the first ones, where torch has them."""
    every = list(target.samples())
    some = few(every, 12)

    def compare(sample: Sample) -> None:
        if not sample.smooth:
            raise NotApplicable(KINK)
        theirs = of_torch(lambda: run(target.builtin, sample.args, sample.kwargs))
        expected = of_torch(lambda: second_gradients(theirs), "torch has no second derivative")
        if not theirs.differentiable:
            raise NotApplicable("nothing to differentiate")
        received = second_gradients(run(target.implementation, sample.args, sample.kwargs))
        # elsewhere the terms are added in another order, and where they cancel that shows
        noise = 0.0 if target.device == "cpu" else NOISE
        # None and zero both mean: no dependence
        check_same(dense(received, theirs), dense(expected, theirs), "second derivative", noise=noise, strides=False)
        if any(sample is one for one in some):
            received, expected = (
                second_gradients(run(f, sample.args, sample.kwargs), of_results=True)
                for f in (target.implementation, target.builtin)
            )
            what = "second derivative and first"
            check_same(dense(received, theirs), dense(expected, theirs), what, noise=noise, strides=False)

    return each(every, compare)


def forward_mode(target: Target) -> Tally:
    """Forward-mode derivatives; of ours also where torch's own has none, but a gradient."""
    supported = torch_samples.supports_forward_mode(target.part)

    def compare(sample: Sample) -> None:
        # ours has one, and what torch's has on the way may be enough to tell
        if not supported and target.tier is None:
            raise NotApplicable("torch has no forward mode")
        leaves = tuple(x.detach() for x in of_leaves(target, sample).leaves)
        if not leaves:
            raise NotApplicable("nothing to differentiate by")
        ours, theirs = (results(of_leaves(target, sample, theirs=which)) for which in (False, True))
        expected = or_none(lambda: tangent(theirs, leaves))
        if expected is None and target.tier is not None:
            # ours has one, where there is a derivative at all
            expected = or_none(lambda: torch.autograd.functional.jvp(theirs, leaves, random_like(leaves))[1])
        if expected is None:
            raise NotApplicable("torch has no forward mode")
        if not expected:
            raise NotApplicable("nothing to differentiate")
        check_same(tangent(ours, leaves), expected, "tangent", noise=NOISE, strides=False)

    return each(target.samples(), compare)


def results(whole: OfLeaves) -> Callable:
    """The call, which gives all results that have derivatives."""
    return lambda *values: tuple(numbers(whole.call(*values)))


def tangent(f: Callable, leaves: tuple[Tensor, ...]) -> Any:
    """The derivative of ``f`` in a random direction, by forward mode."""
    return torch.func.jvp(f, leaves, random_like(leaves))[1]


def gradient(f: Callable) -> Callable:
    """The gradient of a number, by reverse mode."""
    return lambda *values: torch.func.grad(f, argnums=tuple(range(len(values))))(*values)


def weighted_gradient(f: Callable, n: int) -> Callable:
    """The gradient by the first n arguments; what the results are weighted with are arguments, too."""
    return lambda *values: gradient(combined(f, values[n:]))(*values[:n])


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

    def by_all(whole: OfLeaves) -> Any:
        def scalar(*values: Tensor) -> Tensor:
            outputs = numbers(whole.call(*values))
            return weighted(outputs, upstream(outputs))

        places = tuple(range(len(whole.leaves)))
        return torch.func.grad(scalar, argnums=places)(*(x.detach() for x in whole.leaves))

    def compare(sample: Sample) -> None:
        theirs = of_torch(lambda: of_leaves(target, sample, theirs=True))
        if not theirs.leaves:
            raise NotApplicable("nothing to differentiate by")
        expected = of_torch(lambda: by_all(theirs), "torch has no derivative")
        received = by_all(of_leaves(target, sample))
        check_same(received, expected, "func.grad", noise=NOISE, strides=False)

    return each(few(target.samples(), 20), compare)


def gradcheck(target: Target) -> Tally:
    """Derivatives against finite differences, on the smallest samples."""
    return each(
        smallest(target.samples()), lambda sample: _against_differences(target, sample, torch.autograd.gradcheck)
    )


def gradgradcheck(target: Target) -> Tally:
    """Derivatives of second order against finite differences, on the smallest samples."""

    def compare(sample: Sample) -> None:
        if not torch_samples.supports_second_derivative(target.part):
            raise NotApplicable("torch has no second derivative")
        _against_differences(target, sample, torch.autograd.gradgradcheck)

    return each(smallest(target.samples()), compare)


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


def smallest(samples: Iterable[Sample]) -> list[Sample]:
    """A few of those of at most 1000 numbers."""

    def fits(sample: Sample) -> bool:
        tensors = [a for a in sample.args if isinstance(a, Tensor)]
        return 0 < sum(a.numel() for a in tensors) <= 1000 and any(a.requires_grad for a in tensors)

    return few((sample for sample in samples if sample.smooth and fits(sample)), 6)
