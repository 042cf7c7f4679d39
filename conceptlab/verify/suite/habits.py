"""Habits of layers that a single call in one mode does not show."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import run, upstream
from conceptlab.verify.closeness import NOISE, check_same
from conceptlab.verify.suite.layers import pair
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch
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
