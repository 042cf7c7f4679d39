"""Habits of layers that a single call in one mode does not show."""

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import run, upstream
from conceptlab.verify.closeness import NOISE, ErrorRatio, Mismatch, check_same
from conceptlab.verify.suite.layers import pair
from conceptlab.verify.tally import Failure, NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target


def modes(target: Target) -> Tally:
    """Training without a graph and evaluation with one are what ``self.training`` says."""

    def compare(sample: Sample, *, training: bool) -> None:
        ours, theirs = (module.train(training) for module in pair(target, sample))

        def call(module: nn.Module) -> Any:
            with torch.set_grad_enabled(not training):
                return run(module, sample.args, sample.kwargs).output

        expected = of_torch(partial(call, theirs))
        where = "training without a graph" if training else "evaluation with a graph"
        check_same(_detached(call(ours)), _detached(expected), f"value, {where}", strides=False)
        check_same(dict(ours.named_buffers()), dict(theirs.named_buffers()), f"buffers, {where}")

    training, evaluation = (each(target.samples(training=m), partial(compare, training=m)) for m in (True, False))
    return training + evaluation


def _detached(value: Any) -> Any:
    return tree_map(lambda v: v.detach() if isinstance(v, Tensor) else v, value)


def accumulated(target: Target) -> Tally:
    """A second backward adds to the gradients of the parameters."""

    def compare(sample: Sample) -> None:
        ours, theirs = pair(target, sample)
        if not any(p.requires_grad for p in theirs.parameters()):
            raise NotApplicable("no parameters")

        def twice(module: nn.Module) -> list[Tensor | None]:
            for _ in range(2):
                outputs = run(module, sample.args, sample.kwargs).differentiable
                torch.autograd.backward(outputs, upstream(outputs))
            return [p.grad for p in module.parameters()]

        expected = of_torch(lambda: twice(theirs), "torch has no derivative")
        check_same(twice(ours), expected, "gradient of two backward passes", noise=NOISE, strides=False)

    return each(target.samples(), compare)


def shifted_layer(target: Target) -> Tally:
    """In float32, for inputs × 100, + 100 and + 1000, four times torch's error, or the input's rounding, at most."""
    ratio = ErrorRatio(slack=2.0)

    def compare(sample: Sample) -> None:
        first = next(iter(_numbers((sample.args, dict(sample.kwargs)))), None)
        if first is None or not first.numel():
            raise NotApplicable("there is no tensor of numbers")
        for change in (lambda t: t * 100, lambda t: t + 100, lambda t: t + 1000):
            moved = change(first.detach()).to(torch.float32).to(torch.float64)

            def call(module: nn.Module, dtype: torch.dtype, x: Tensor) -> list[Tensor]:
                args, kwargs = tree_map(lambda v: x if v is first else _rounded(v), (sample.args, dict(sample.kwargs)))
                return _numbers(run(module.to(dtype), args, kwargs, dtype=dtype).output)

            ours, theirs = pair(target, sample)
            expected = of_torch(partial(call, theirs, torch.float32, moved))
            # the oracles have the weights that the others have; and one an input that is rounded once more
            exact, rounded = (copy.deepcopy(target.built(sample, of_torch=True).float()) for _ in range(2))
            signs = torch.randn(moved.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).sign()
            oracle = call(exact, torch.float64, moved)
            allowed = call(rounded, torch.float64, moved * (1 + torch.finfo(torch.float32).eps * signs))
            larger = [max(two, key=partial(_error, o)) for *two, o in zip(expected, allowed, oracle, strict=True)]
            ratio.add(call(ours, torch.float32, moved), larger, oracle)

    every = list(target.samples())
    tally = each(every[:: 1 + len(every) // 40], compare)
    try:
        ratio.check("value, input scaled or shifted", torch.finfo(torch.float32).eps)
    except Mismatch as error:
        tally.failures.append(Failure(Sample("scaled or shifted, pooled"), error))
    return tally


def _numbers(value: Any) -> list[Tensor]:
    return [t for t in tree_flatten(value)[0] if isinstance(t, Tensor) and t.is_floating_point()]


def _rounded(value: Any) -> Any:
    is_number = isinstance(value, Tensor) and value.is_floating_point()
    return value.detach().to(torch.float32).to(torch.float64) if is_number else value


def _error(oracle: Tensor, value: Tensor) -> float:
    return (value.to(torch.float64) - oracle).nan_to_num().square().sum().item()
