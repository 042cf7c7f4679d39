"""``torch.compile``: once for all inputs of one shape, and by its own compiler."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import Outcome, gradients, run, step_away
from conceptlab.verify.closeness import NOISE, check_same
from conceptlab.verify.outcomes import callable_of, few, tensors_given
from conceptlab.verify.tally import Tally, each, unless_torch_fails
from conceptlab.verify.target import Target


def compiled_once(target: Target) -> Tally:
    """Inputs of the same shapes are compiled for once: nothing in a call depends on values, or on earlier calls."""

    def twice(function: Callable, sample: Sample) -> None:
        compiled = _compiled(function, sample, "eager")
        run(compiled, sample.args, {}, leaves_first=True)
        with torch.compiler.set_stance("fail_on_recompile"):
            for _ in range(2):
                run(compiled, sample.args, {}, leaves_first=True)

    return each(_one(target), lambda sample: _as_torch(target, sample, twice))


def inductor(target: Target) -> Tally:
    """Compiled to machine code by Inductor: values and gradients as when it is not compiled, of one sample."""

    def same(function: Callable, sample: Sample) -> None:
        eager = copy.deepcopy(function)  # a layer's call may change what it keeps
        expected = _with_parameters(run(eager, sample.args, sample.kwargs), eager)
        compiled = _compiled(function, sample, "inductor")
        received = _with_parameters(run(compiled, sample.args, {}, leaves_first=True), function)
        check_same(received.output, expected.output, "compiled value", strides=False)
        check_same(gradients(received), gradients(expected), "compiled gradient", noise=1000 * NOISE, strides=False)

    return each(_one(target), lambda sample: _as_torch(target, sample, same))


def _one(target: Target) -> list[Sample]:
    """One sample, but none with an empty tensor, of which there would be nothing to compare."""
    return few((sample for sample in target.samples() if all(x.numel() for x in tensors_given(sample))), 1)


def _as_torch(target: Target, sample: Sample, compare: Callable[[Callable, Sample], None]) -> None:
    """Compare; what fails for torch's own as well does not apply. It is only then compiled, too, since that is slow."""
    unless_torch_fails(
        lambda theirs: compare(callable_of(target, sample, theirs=theirs), sample),
        ours=False,
        theirs=True,
        what="torch's own fails, too, when it is compiled",
    )


def _compiled(function: Callable, sample: Sample, backend: str) -> Callable:
    return whole(lambda *args: function(*args, **sample.kwargs), backend)


def whole(function: Callable, backend: str = "aot_eager") -> Callable:
    """The function, to be compiled without a break; it gets its arguments one step away from the leaves."""
    torch.compiler.reset()

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(step_away, args), **kwargs)

    return torch.compile(call, fullgraph=True, backend=backend)


def _with_parameters(result: Outcome, function: Callable) -> Outcome:
    if isinstance(function, nn.Module):
        result.leaves.extend(p for p in function.parameters() if p.requires_grad)
    return result
