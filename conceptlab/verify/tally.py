"""Running one comparison on many samples: what passed, what did not apply, what failed."""

from __future__ import annotations

import re
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from torch.utils._pytree import is_namedtuple_instance, tree_map

from conceptlab.core.samples import NotApplicable as NotApplicable
from conceptlab.core.samples import Sample
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.guard import restored


@dataclass(frozen=True)
class Failure:
    """A sample that failed.

    Attributes:
        sample: the sample.
        error: what went wrong: a `Mismatch`, or what the implementation raised.
    """

    sample: Sample
    error: Exception

    def __str__(self) -> str:
        return f"{self.sample.name} {describe(self.sample)}: {type(self.error).__name__}: {self.error}"


@dataclass
class Tally:
    """What came out of a check.

    Attributes:
        passed: how many samples passed.
        left_out: how many did not apply, by reason.
        failures: those that failed.
    """

    passed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.left_out + other.left_out, [*self.failures, *other.failures])

    def raise_if_failed(self) -> None:
        """Raises:
        Mismatch: a sample failed; the message names the first one, and how many did.
        """
        if self.failures:
            count = self.passed + len(self.failures)
            first = self.failures[0]
            raise Mismatch(f"{len(self.failures)} of {count} samples fail; the first: {first}") from first.error


class Watcher(Protocol):
    """Whoever wants to know which sample is running: a supervisor that would stop one that hangs, for instance."""

    def starts(self, sample: Sample) -> bool:
        """Called before each sample; whether it is to be run."""


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Let ``watcher`` know of each sample, within the block."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


_stops: ContextVar[bool] = ContextVar("stops", default=False)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let a check end at its first failure, within the block."""
    token = _stops.set(True)
    try:
        yield
    finally:
        _stops.reset(token)


@contextmanager
def unwatched() -> Iterator[None]:
    """Let nobody know of the samples within the block: they are no part of a check's own."""
    token = _watcher.set(None)
    try:
        yield
    finally:
        _watcher.reset(token)


def each(source: Iterable[Sample], compare: Callable[[Sample], None]) -> Tally:
    """Run a comparison on every sample. It may raise `NotApplicable`; any other exception is a failure.

    Global settings that it changes are put back after each sample, so that no other sample suffers from them.
    """
    tally, watcher = Tally(), _watcher.get()
    for sample in source:
        if watcher is not None and not watcher.starts(sample):
            continue
        try:
            if sample.by_law:
                raise NotApplicable(sample.by_law)
            with restored(), warnings.catch_warnings():  # of the latter `of_torch` makes use
                compare(sample)
        except NotApplicable as reason:
            tally.left_out[str(reason)] += 1
        except Exception as error:
            tally.failures.append(Failure(sample, error))
            if _stops.get():
                break
        else:
            tally.passed += 1
    return tally


_HERE = Path(__file__).parent

# some of torch's own layers refuse by an assertion
REFUSALS = (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError, ZeroDivisionError, AssertionError)


def of_torch(call: Callable, what: str = "torch refuses it") -> Any:
    """torch's own result. What torch warns of, here, is no news when an implementation warns of it, too.

    Raises:
        NotApplicable: torch itself refuses the call.
    """
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = call()
    except REFUSALS as error:
        raise NotApplicable(what) from error
    except (AttributeError, KeyError) as error:
        # an AttributeError: on tensors without values torch's fused cells trip over a bias that is None;
        # a KeyError: in 2.11 torch's Adagrad has no state for a group that was added
        if _is_slip(error):
            raise
        raise NotApplicable(what) from error
    for text in {str(warning.message) for warning in warned}:
        warnings.filterwarnings("ignore", message=re.escape(text))
    return result


def _is_slip(error: Exception) -> bool:
    """Whether a check's own line tripped. Taken for a refusal of torch's it would leave the whole question out."""
    place = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return isinstance(error, AttributeError | KeyError | NameError) and place.is_relative_to(_HERE)


def or_none(call: Callable) -> Any:
    """torch's own result, or None where torch itself refuses the call."""
    try:
        return of_torch(call)
    except NotApplicable:
        return None


def unless_torch_fails(check: Callable[[Any], None], ours: Any, theirs: Any, what: str) -> None:
    """Check ``ours``, about which nothing is said if torch's own fails the same check.

    Raises:
        NotApplicable: torch's own fails, too.
        Exception: whatever ``check`` raises about ``ours`` alone.
    """
    try:
        check(ours)
    except Exception as error:
        if _is_slip(error):
            raise
        try:
            check(theirs)
        except Exception:
            raise NotApplicable(what) from error
        raise


def describe(sample: Sample) -> str:
    """The arguments of a sample, tensors by dtype and shape."""

    def short(value: Any) -> Any:
        if isinstance(value, Tensor):
            return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        if is_namedtuple_instance(value):
            # one with names, as a PackedSequence, whose constructor may want tensors
            return tuple(map(short, value))
        return tree_map(short, value, is_leaf=lambda v: v is not value) if isinstance(value, _NESTED) else value

    args, kwargs = short(sample.args), short(dict(sample.kwargs))
    return f"{args} {kwargs}"


_NESTED = (list, tuple, dict)
