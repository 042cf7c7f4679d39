"""``torch.vmap``: a function of one sample, of a batch of them."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import reseed, run
from conceptlab.verify.closeness import NOISE, check_same
from conceptlab.verify.outcomes import OfLeaves, few, numbers, of_leaves
from conceptlab.verify.suite.derivatives import combined, weighted
from conceptlab.verify.tally import NotApplicable, Tally, each, or_none
from conceptlab.verify.target import Target


def vmapped(target: Target) -> Tally:
    """``torch.vmap`` over an input, or over all, forward and backward, against a loop over torch's own."""
    every = list(target.samples())
    some = few(every, 6)

    def compare(sample: Sample) -> None:
        if not sample.args or not isinstance(sample.args[0], Tensor) or sample.args[0].is_complex():
            raise NotApplicable("the first argument is no tensor of numbers")
        first, *rest = (a.detach() if isinstance(a, Tensor) else a for a in sample.args)
        are_words = not first.is_floating_point()
        # of words, or other whole numbers, half may be none
        batch = torch.stack([first, first.flip(0) if first.dim() else first, first if are_words else first * 0.5])

        def call(f: Callable) -> Callable:
            return lambda x: tuple(
                t for t in tree_flatten(f(x.clone(), *rest, **sample.kwargs))[0] if isinstance(t, Tensor)
            )

        def by_vmap(f: Callable) -> Any:
            reseed(0)
            return torch.vmap(f, randomness="same")(batch)

        expected = or_none(lambda: by_vmap(call(target.builtin)))
        if expected is None and target.tier is not None and not are_words and not _writes(target, sample):
            expected = or_none(lambda: _one_by_one(call(target.builtin), batch))
        if expected is None:
            raise NotApplicable("torch has no vmap")
        if not expected or any(y.is_complex() for y in expected):
            raise NotApplicable("the result is no tensor of real numbers")
        check_same(by_vmap(call(target.implementation)), expected, "vmap", strides=False)
        if any(sample is one for one in some):
            reseed(0)
            along_last = torch.vmap(call(target.implementation), in_dims=-1, randomness="same")
            check_same(along_last(batch.movedim(0, -1)), expected, "vmap over the last axis", strides=False)
            _over_all(target, sample)
        if not sample.args[0].requires_grad or not sample.smooth:
            return

        def gradient(f: Callable) -> Callable:
            generator = torch.Generator().manual_seed(0)
            upstream = [torch.randn(y.shape[1:], generator=generator, dtype=y.dtype).to(y) for y in numbers(expected)]

            return torch.func.grad(lambda x: weighted(numbers(call(f)(x)), upstream))

        expected_grad = or_none(lambda: by_vmap(gradient(target.builtin)))
        if expected_grad is None and target.tier is not None:
            expected_grad = or_none(lambda: _one_by_one(gradient(target.builtin), batch))
        if expected_grad is not None:
            received = by_vmap(gradient(target.implementation))
            check_same(received, expected_grad, "vmap of grad", strides=False)

    return each(every, compare)


def _over_all(target: Target, sample: Sample) -> None:
    """Over all that it is differentiated by, each along another axis; and over one of them, which share the others."""
    leaves = [leaf.detach() for leaf in of_leaves(target, sample).leaves]
    if len(leaves) < 2 or any(leaf.is_complex() for leaf in leaves) or _writes(target, sample):
        return
    places = range(len(leaves))
    _compare_over(tuple((0, -1)[place % 2] for place in places), leaves, target, sample)
    for chosen in places:
        _compare_over(tuple(0 if place == chosen else None for place in places), leaves, target, sample)


def _compare_over(in_dims: tuple[int | None, ...], leaves: list[Tensor], target: Target, sample: Sample) -> None:
    ours, theirs = (of_leaves(target, sample, theirs=theirs) for theirs in (False, True))
    batches = [
        [x] * 3 if dim is None else [x, x * 0.5, x.flip(-1) if x.dim() else x]
        for x, dim in zip(leaves, in_dims, strict=True)
    ]
    given = [
        batch[0] if dim is None else torch.stack(batch).movedim(0, dim)
        for batch, dim in zip(batches, in_dims, strict=True)
    ]
    for of in (_values, _gradients) if sample.smooth else (_values,):

        def by_vmap(whole: OfLeaves, of: Callable = of) -> Any:
            return torch.vmap(of(whole), in_dims, randomness="same")(*given)

        expected = or_none(lambda of=of: _one_by_one(lambda row: of(theirs)(*row), zip(*batches, strict=True)))
        # somebody's own may do without, where torch does
        if expected is not None and (target.tier is not None or or_none(lambda: by_vmap(theirs)) is not None):
            where = f"{of.__name__.strip('_')}, vmap over {in_dims}"
            check_same(by_vmap(ours), expected, where, noise=NOISE, strides=False)


def _values(whole: OfLeaves) -> Callable:
    return lambda *values: tuple(numbers(whole.call(*values)))


def _gradients(whole: OfLeaves) -> Callable:
    return torch.func.grad(combined(_values(whole)), tuple(range(len(whole.leaves))))


def _writes(target: Target, sample: Sample) -> bool:
    """Whether it writes to its arguments, as to running statistics: those of one sample are no batch's."""
    # torch's own does so unnoticed
    given = tree_flatten(run(target.implementation, sample.args, sample.kwargs).arguments)[0]
    return any(isinstance(a, Tensor) and a._version > 0 for a in given)


def _one_by_one(f: Callable, batch: Iterable) -> Any:
    """What ``vmap`` would give, each time with the same draws."""
    found = []
    for one in batch:
        reseed(0)
        found.append(f(one))
    return tree_map(lambda *results: torch.stack(results), *found)
