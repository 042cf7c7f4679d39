"""Memory: what a call keeps for its backward pass, and what is left of it afterwards."""

import gc
import weakref
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import gradients, run
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.memory import growth, saved_bytes
from conceptlab.verify.outcomes import callable_of, called, few, with_rows
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target

LARGE = 1 << 12
"""How many numbers there are in the first input at least: beside so many, small things do not count."""


def saved_memory(target: Target) -> Tally:
    """What is kept for the backward pass has at most twice the size of what torch keeps."""

    def compare(sample: Sample) -> None:
        large = _large(sample)
        theirs = of_torch(lambda: _saved(target, large, theirs=True))
        ours = _saved(target, large, theirs=False)
        if ours > 2 * theirs + LARGE:
            raise Mismatch(f"expected at most twice {theirs} bytes for the backward pass, received {ours}")

    return each(few(target.samples(), 6), compare)


def _saved(target: Target, sample: Sample, *, theirs: bool) -> int:
    function = callable_of(target, sample, theirs=theirs)
    return saved_bytes(lambda: called(function, sample))


def _large(sample: Sample) -> Sample:
    first = next(iter(sample.args), None)
    if not isinstance(first, Tensor) or not first.is_floating_point() or not first.numel() or not first.requires_grad:
        raise NotApplicable("the first argument is no tensor that can be made larger")
    # no more than that: rows may be time, or attend to each other
    times = min(256, -(-LARGE // first.numel()))
    large = with_rows(sample, lambda x: x.repeat(times, *[1] * (x.dim() - 1)))
    if large is None:
        raise NotApplicable("the first argument is a single number")
    return large


def flat_memory(target: Target) -> Tally:
    """After 200 calls, forward and backward, no more memory is held than after the first few."""

    def compare(sample: Sample) -> None:
        of_torch(lambda: called(callable_of(target, sample, theirs=True), sample))
        function = callable_of(target, sample)

        def call() -> None:
            result = called(function, sample)
            if result.differentiable and result.leaves:
                gradients(result)

        bytes_more = growth(call)
        if bytes_more > 0:
            raise Mismatch(f"{bytes_more} bytes more are held after 200 calls than after the first few")

    smallest = min(target.samples(), key=_size, default=None)
    return each([smallest] if smallest else [], compare)


def _size(sample: Sample) -> int:
    """An empty sample comes last: it holds no memory that could show."""
    return sum(x.numel() for x in sample.args if isinstance(x, Tensor)) or 1 << 60


def no_graph_kept(target: Target) -> Tally:
    """When the result is gone nothing keeps the graph of the call: no buffer and no attribute."""

    def compare(sample: Sample) -> None:
        if not any(isinstance(a, Tensor) and a.requires_grad for a in sample.args):
            raise NotApplicable("nothing to differentiate by")
        if of_torch(lambda: _keeps(callable_of(target, sample, theirs=True), sample)):
            raise NotApplicable("torch itself keeps it")
        if _keeps(callable_of(target, sample), sample):
            raise Mismatch("the graph of a call lives on after its result is gone")

    return each(few(target.samples(), 8), compare)


class _Mark(torch.autograd.Function):
    """An identity, whose node in the graph can be watched: it is an object of Python's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return grad_output


def _keeps(function: Any, sample: Sample) -> bool:
    nodes: list[weakref.ref] = []

    def marked(*args: Any, **kwargs: Any) -> Any:
        args = tuple(_Mark.apply(a) if isinstance(a, Tensor) and a.requires_grad else a for a in args)
        nodes.extend(weakref.ref(a.grad_fn) for a in args if isinstance(a, Tensor) and a.requires_grad)
        return function(*args, **kwargs)

    run(marked, sample.args, sample.kwargs)
    if any(node() is not None for node in nodes):
        gc.collect()  # a cycle that can be found is no leak
    return any(node() is not None for node in nodes)
