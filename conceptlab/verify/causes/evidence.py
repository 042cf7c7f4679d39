"""What is known of a failure: gathered once, asked by every pattern."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import Outcome, dense, gradients, run, second_gradients, upstream
from conceptlab.verify.closeness import NOISE, Mismatch, check_same
from conceptlab.verify.target import Target

MANY = 256
"""Of how many elements a result may be for its whole Jacobian to be looked at."""


@dataclass
class Evidence:
    """A sample that fails, and what can be asked of it.

    Attributes:
        target: what is verified.
        sample: the sample.
        error: what was raised.
        failing: all samples that failed.
        training: the mode of a layer.
    """

    target: Target
    sample: Sample
    error: Exception
    failing: Sequence[Sample] = ()
    training: bool = True
    modules: dict[bool, nn.Module] = field(default_factory=dict)

    def outcome(self, of_torch: bool, sample: Sample | None = None, *, dtype: torch.dtype | None = None) -> Outcome:
        """What the target, or torch's own, makes of a sample."""
        sample = sample or self.sample
        if not self.target.part.is_class:
            f = self.target.builtin if of_torch else self.target.implementation
            return run(f, sample.args, sample.kwargs, dtype=dtype)
        module = self.target.built(sample, of_torch=of_torch).train(self.training).to(dtype or torch.float64)
        self.modules[of_torch] = module
        outcome = run(module, sample.args, sample.kwargs, dtype=dtype)
        outcome.leaves.extend(p for p in module.parameters() if p.requires_grad)
        return outcome

    def asked(self, question: Callable[[Outcome], Any], of_torch: bool, sample: Sample | None = None) -> Any:
        """The answer to a question about an outcome, or the exception."""
        try:
            with warnings.catch_warnings(action="ignore"):
                return question(self.outcome(of_torch, sample))
        except Exception as error:
            return error

    def right(self, question: Callable[[Outcome], Any], sample: Sample | None = None) -> bool | None:
        """Whether the target's answer is torch's; None where torch has none."""
        expected = self.asked(question, True, sample)
        if isinstance(expected, Exception):
            return None
        return same(self.asked(question, False, sample), expected)

    def passes(self, sample: Sample) -> bool:
        """Whether value, arguments afterwards and gradients of a sample are torch's."""
        return all(self.right(question, sample) is not False for question in (values, arguments, grads))

    @cached_property
    def ours(self) -> Any:
        """The target's outcome, or the exception."""
        return self.asked(lambda outcome: outcome, False)

    @cached_property
    def theirs(self) -> Any:
        """torch's outcome, or the exception."""
        return self.asked(lambda outcome: outcome, True)

    @cached_property
    def value_right(self) -> bool:
        """Whether the value is torch's."""
        return self.right(values) is True

    @cached_property
    def our_gradients(self) -> Any:
        """The target's gradients, or the exception."""
        return self.asked(grads, False)

    @cached_property
    def their_gradients(self) -> Any:
        """torch's gradients, or the exception."""
        return self.asked(grads, True)

    @cached_property
    def gradient_right(self) -> bool:
        """Whether the gradients are torch's, or there are none."""
        return self.right(grads) is not False

    @cached_property
    def wrong_leaf(self) -> int | None:
        """The first leaf by which the gradient is wrong."""
        ours, theirs = self.our_gradients, self.their_gradients
        if isinstance(ours, Exception) or isinstance(theirs, Exception) or len(ours) != len(theirs):
            return None
        return next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not same(a, b)), None)

    def jacobian(self, of_torch: bool) -> Tensor | None:
        """The Jacobian by the leaf whose gradient is wrong, a row for each element of the first result."""
        outcome, leaf = self.theirs if of_torch else self.ours, self.wrong_leaf
        if leaf is None or isinstance(outcome, Exception) or not outcome.differentiable:
            return None
        y, x = outcome.differentiable[0], outcome.leaves[leaf]
        if not 0 < y.numel() <= MANY:
            return None
        rows = []
        for unit in torch.eye(y.numel(), dtype=y.dtype):
            (row,) = torch.autograd.grad(y, [x], unit.view_as(y), retain_graph=True, materialize_grads=True)
            rows.append(row.detach().flatten())
        return torch.stack(rows)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The arguments that are no tensors, by name."""
        return settings_of(self.target, self.sample)

    @cached_property
    def passing(self) -> list[Sample]:
        """The samples that did not fail."""
        names = {sample.name for sample in self.failing}
        return [sample for sample in self.target.samples() if sample.name not in names]

    def changed(self, change: Callable[[Tensor], Tensor], *, first_only: bool = False) -> Sample:
        """The sample with its tensors of real numbers changed."""
        first = next((t for t in tensors(self.sample)), None)

        def applied(value: Any) -> Any:
            if not isinstance(value, Tensor) or not value.is_floating_point() or (first_only and value is not first):
                return value
            return change(value.detach()).requires_grad_(value.requires_grad)

        args, kwargs = tree_map(applied, (self.sample.args, dict(self.sample.kwargs)))
        return replace(self.sample, args=args, kwargs=kwargs)


def values(outcome: Outcome) -> Any:
    """The result."""
    return tree_map(lambda v: v.detach() if isinstance(v, Tensor) else v, outcome.output)


def arguments(outcome: Outcome) -> Any:
    """The arguments afterwards."""
    return tree_map(lambda v: v.detach() if isinstance(v, Tensor) else v, outcome.arguments)


def grads(outcome: Outcome) -> Any:
    """The gradients, for a random upstream gradient."""
    return gradients(outcome)


def second(outcome: Outcome) -> Any:
    """The second derivatives; none is zero."""
    return dense(second_gradients(outcome), outcome)


def same(ours: Any, theirs: Any) -> bool:
    """Whether two results are alike."""
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        return False
    try:
        check_same(ours, theirs, "", noise=NOISE, strides=False)
    except (Mismatch, RuntimeError, TypeError):
        return False
    return True


def tensors(sample: Sample) -> list[Tensor]:
    """The tensors of a sample."""
    return [t for t in tree_flatten((sample.args, dict(sample.kwargs)))[0] if isinstance(t, Tensor)]


def settings_of(target: Target, sample: Sample) -> dict[str, Any]:
    """The arguments that are no tensors, by name, of the function or of the constructor."""
    is_class = target.part.is_class
    args, kwargs = (sample.init_args, sample.init_kwargs) if is_class else (sample.args, sample.kwargs)
    signature = torch_samples.signature(target.implementation)
    names: Iterable[str] = signature.parameters if signature else ()
    bound = {**dict(zip(names, args, strict=False)), **kwargs}
    return {name: value for name, value in bound.items() if not isinstance(value, Tensor)}


def default_of(target: Target, name: str) -> Any:
    """The default of an argument."""
    signature = torch_samples.signature(target.implementation)
    known = signature.parameters.get(name) if signature else None
    return inspect.Parameter.empty if known is None else known.default


def random_like(y: Tensor, seed: int) -> Tensor:
    """A random upstream gradient."""
    return upstream([y], seed=seed)[0]
