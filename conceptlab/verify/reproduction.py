"""From a failed check to the smallest input that shows it, and to code that shows it in a Python prompt."""

import contextlib
import io
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify import causes, snippets
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.outcomes import tensors_given
from conceptlab.verify.suite import Check, checks_of
from conceptlab.verify.tally import Failure, unwatched
from conceptlab.verify.target import Target, target

TELLING = 12
"""Of how many elements a sample should be that a cause is read from."""

FEW = 5
"""How many failures are looked at where there is nothing to be made smaller: an optimizer's settings, for instance."""

TRIES = 60
"""How many smaller samples are tried, at most."""

SECONDS = 5.0
"""For how long."""


@dataclass(frozen=True)
class Explanation:
    """What a report says of a failed check.

    Attributes:
        code: what shows the failure in a Python prompt; it has been run, and it failed.
        output: what the code prints: what was expected, and what was received.
        cause: the likeliest cause, in words; empty where no known pattern fits.
    """

    code: str = ""
    output: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Narrowed(Target):
    """A target that is asked about a few samples only."""

    only: tuple[Sample, ...] = ()

    def _samples(self, dtype: torch.dtype, *, thinned: bool, training: bool) -> Iterator[Sample]:
        yield from self.only


def narrowed(aim: Target, *only: Sample) -> Target:
    """The target, asked about these samples only."""
    return Narrowed(aim.part, aim.implementation, aim.tier, device=aim.device, dtypes=aim.dtypes, only=only)


def rerun(check: str, implementation: Any, like: Any, sample: Sample) -> None:
    """Run one check on one sample.

    Args:
        check: the check's name.
        implementation: as for `conceptlab.verify.verify`.
        like: torch's class or function, or its name.
        sample: the sample.

    Raises:
        Mismatch: it fails.
    """
    aim = target(implementation, like)
    named = next(c for c in checks_of(aim) if c.__name__ == check)
    named(narrowed(aim, sample)).raise_if_failed()


def explain(check: Check, aim: Target, failures: Sequence[Failure]) -> Explanation:
    """The smallest input that shows it, as code, and the likeliest cause."""
    try:
        return _explanation(check, aim, failures)
    except Exception:
        # the target may do anything on an input that nobody meant for it; the failure is reported all the same
        return Explanation(snippets.whole_check(aim, check.__name__))


def _explanation(check: Check, aim: Target, failures: Sequence[Failure]) -> Explanation:
    with unwatched(), warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
        # some checks bring inputs of their own: what torch refuses, for instance
        depends = not check(narrowed(aim)).failures
        pooled = depends and not _has_arguments(failures[0].sample)
        if pooled:
            alone = _one_of_pool(check, aim)
            if alone is None:
                return Explanation(snippets.whole_check(aim, check.__name__), cause=causes.likeliest_of_all(aim))
            failures = [alone]
        if aim.kind in ("function", "layer"):
            first = representative(failures)
            least = smallest(check, aim, first) if depends else first
            shown, looked_at = [least, first], [representative(failures, at_least=TELLING), first, least]
        else:
            shown = looked_at = list(failures[:FEW])
        code, output = snippets.shown(aim, check.__name__, shown)
        said = causes.likeliest(aim, looked_at, failures)
    return Explanation(code, output, said)


def representative(failures: Sequence[Failure], at_least: int = 1) -> Failure:
    """The smallest sample that fails as most of them do, of a few elements: a pattern does not show in one or none."""
    common = Counter(head(f.error) for f in failures).most_common(1)[0][0]
    return min(
        (f for f in failures if head(f.error) == common), key=lambda f: (_size(f.sample) < at_least, _size(f.sample))
    )


def smallest(check: Check, aim: Target, failure: Failure, tries: int = TRIES, seconds: float = SECONDS) -> Failure:
    """Halve axes, leave out arguments and simplify values as long as the check fails in the same way.

    Not where there are integers: they may be places, and torch's own kernels may crash at a place that is none.
    """
    if any(isinstance(a, torch.Tensor) and not a.is_floating_point() for a in tree_leaves(failure.sample.args)):
        return failure
    end = time.monotonic() + seconds
    for candidates in (_smaller, _simpler):
        found: Failure | None = failure
        while found is not None:
            failure, found = found, None
            for sample in candidates(failure.sample):
                if tries <= 0 or time.monotonic() > end:
                    return failure
                tries -= 1
                found = _failing(check, aim, sample, failure.error)
                if found is not None:
                    break
    return failure


def _failing(check: Check, aim: Target, sample: Sample, error: Exception) -> Failure | None:
    failures = check(narrowed(aim, sample)).failures
    return next((f for f in failures if head(f.error) == head(error) and f.sample is sample), None)


def _one_of_pool(check: Check, aim: Target) -> Failure | None:
    """A sample that alone fails a check that pools the errors of many."""
    end = time.monotonic() + SECONDS
    for sample in sorted(aim.samples(), key=_size):
        if time.monotonic() > end:
            return None
        for failure in check(narrowed(aim, sample)).failures:
            return replace(failure, sample=sample)
    return None


def head(error: Exception) -> str:
    """The kind of an error: its type, and of a `Mismatch` where it is."""
    place = re.sub(r"\[\d+\]|call \d", "", str(error).split(":")[0]) if isinstance(error, Mismatch) else ""
    return f"{type(error).__name__}: {place}"


def _has_arguments(sample: Sample) -> bool:
    return bool(sample.args or sample.kwargs or sample.init_args or sample.init_kwargs)


def _size(sample: Sample) -> int:
    return sum(t.numel() for t in tensors_given(sample))


def _with(sample: Sample, tensor: Callable[[Tensor], Tensor], number: Callable[[Any], Any] = lambda n: n) -> Sample:
    def change(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        changed = tensor(value)
        return value if changed is value else changed.detach().clone().requires_grad_(value.requires_grad)

    args, kwargs = tree_map(change, (sample.args, dict(sample.kwargs)))
    init_args, init_kwargs = tree_map(number, (sample.init_args, dict(sample.init_kwargs)))
    return replace(sample, args=args, kwargs=kwargs, init_args=init_args, init_kwargs=init_kwargs)


def _only(chosen: Tensor, change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The change, of one tensor alone."""
    return lambda t: change(t.detach()) if t is chosen else t


def _smaller(sample: Sample) -> Iterator[Sample]:
    tensors = tensors_given(sample)
    for size in sorted({n for t in tensors for n in t.shape if n > 1}, reverse=True):
        for less in sorted({1, size // 2, size - 1}):
            # all axes of one size at once, the constructor's numbers among them: they may depend on each other
            yield _with(sample, partial(_cut, size, less), partial(_number, size, less))
    for chosen in tensors:
        for axis, size in enumerate(chosen.shape):
            for less in sorted({1, size // 2}) if size > 1 else ():
                yield _with(sample, _only(chosen, partial(torch.narrow, dim=axis, start=0, length=less)))
    for name in sample.kwargs:
        yield replace(sample, kwargs={k: v for k, v in sample.kwargs.items() if k != name})
    for name in sample.init_kwargs:
        yield replace(sample, init_kwargs={k: v for k, v in sample.init_kwargs.items() if k != name})
    if len(sample.args) > 1 and not isinstance(sample.args[-1], Tensor):
        yield replace(sample, args=sample.args[:-1])
    if sample.init_args:
        yield replace(sample, init_args=sample.init_args[:-1])


def _cut(size: int, less: int, t: Tensor) -> Tensor:
    for axis, n in enumerate(t.shape):
        t = t.narrow(axis, 0, less) if n == size else t
    return t


def _number(size: int, less: int, value: Any) -> Any:
    return less if type(value) is int and value == size else value


def _simpler(sample: Sample) -> Iterator[Sample]:
    ways = (torch.zeros_like, torch.ones_like, torch.round, partial(torch.round, decimals=1))
    for chosen in tensors_given(sample):
        if not _is_simple(chosen):
            for way in ways if chosen.is_floating_point() else ways[:1]:
                if not torch.equal(way(chosen), chosen):
                    yield _with(sample, _only(chosen, way))


def _is_simple(t: Tensor) -> bool:
    """Nothing is simpler than whole numbers, or the zeros of what are whole numbers anyway."""
    return torch.equal(t.round(), t) if t.is_floating_point() else not t.any()
