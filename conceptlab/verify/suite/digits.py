"""Digits that are lost where an input is large or far from zero."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import run, upstream
from conceptlab.verify.closeness import ErrorRatio, Mismatch
from conceptlab.verify.outcomes import numbers
from conceptlab.verify.tally import Failure, NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target

FAR = (lambda t: t * 100, lambda t: t + 100, lambda t: t + 1000)
"""In float64 a shift by 100 costs E[x²] − E[x]² four digits of sixteen, which no bound notices."""

FEW = 40
"""So many samples are shifted, at most."""


def cancellation(target: Target) -> Tally:
    """In float32, for inputs × 100, + 100, + 1000, errors are four times torch's, or the input's rounding, at most."""
    ratio = ErrorRatio(slack=2.0)

    def compare(sample: Sample) -> None:
        first = next(iter(numbers((sample.args, dict(sample.kwargs)))), None)
        if first is None or not first.numel():
            raise NotApplicable("there is no tensor of numbers")
        for change in FAR:
            x = _rounded(change(first.detach()))

            def call(dtype: torch.dtype, x: Tensor, *, of_torch: bool) -> list[Tensor]:
                args, kwargs = tree_map(lambda v: x if v is first else _rounded(v), (sample.args, dict(sample.kwargs)))
                return numbers(run(_called(target, sample, dtype, of_torch), args, kwargs, dtype=dtype).output)

            theirs = of_torch(partial(call, torch.float32, x, of_torch=True))
            exact = of_torch(partial(call, torch.float64, x, of_torch=True))
            # what the input's own rounding does to the result, nobody is to be blamed for
            signs = upstream([x], seed=0)[0].sign()
            nearby = x * (1 + torch.finfo(torch.float32).eps * signs)
            blurred = of_torch(partial(call, torch.float64, nearby, of_torch=True))
            allowed = [max(two, key=partial(_error, e)) for *two, e in zip(theirs, blurred, exact, strict=True)]
            ratio.add(call(torch.float32, x, of_torch=False), allowed, exact)

    every = list(target.samples())
    tally = each(every[:: 1 + len(every) // FEW], compare)
    try:
        ratio.check("value, input scaled or shifted", torch.finfo(torch.float32).eps)
    except Mismatch as error:
        tally.failures.append(Failure(Sample("scaled or shifted, pooled"), error))
    return tally


def _called(target: Target, sample: Sample, dtype: torch.dtype, of_torch: bool) -> Callable:
    """The function, or a layer whose weights are numbers that float32 has."""
    if not target.part.is_class:
        return target.builtin if of_torch else target.implementation
    return target.built(sample, of_torch=of_torch).float().to(dtype)


def _rounded(value: Any) -> Any:
    is_number = isinstance(value, Tensor) and value.is_floating_point()
    return value.detach().to(torch.float32).to(torch.float64) if is_number else value


def _error(oracle: Tensor, value: Tensor) -> float:
    return (value.to(torch.float64) - oracle).nan_to_num().square().sum().item()
