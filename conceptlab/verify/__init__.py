"""Is it right? `verify` asks it of any implementation of what torch has, `checks` as one test a check."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from conceptlab.verify.report import Report, Result
from conceptlab.verify.reproduction import explain
from conceptlab.verify.suite import Check, checks_of
from conceptlab.verify.target import Target, target

__all__ = ["BoundCheck", "Report", "Result", "checks", "verify"]


@dataclass(frozen=True)
class BoundCheck:
    """A check of one target, ready to be called: `pytest`'s parameter, for instance."""

    check: Check
    target: Target

    def __str__(self) -> str:
        return self.check.__name__

    @property
    def says(self) -> str:
        """The sentence that says what it means."""
        return (self.check.__doc__ or "").strip().splitlines()[0]

    def __call__(self) -> None:
        """Raises:
        Mismatch: a sample failed.
        """
        self.check(self.target).raise_if_failed()

    def result(self) -> Result:
        """The same, as a value, with the smallest input that fails and the likeliest cause."""
        tally = self.check(self.target)
        result = Result.of(str(self), self.says, tally)
        if not tally.failures:
            return result
        return replace(result, **asdict(explain(self.check, self.target, tally.failures)))


def checks(implementation: Any, like: Any) -> list[BoundCheck]:
    """The checks of an implementation, for a test suite of one's own::

        @pytest.mark.parametrize("check", checks(MyBatchNorm, like="BatchNorm2d"), ids=str)
        def test_my_batch_norm(check):
            check()

    Args:
        implementation: a class with torch's constructor and ``state_dict``, a function with torch's signature, or an
            import path ``module:object`` to one.
        like: torch's class or function, or its name.
    """
    aim = implementation if isinstance(implementation, Target) else target(implementation, like)
    return [BoundCheck(check, aim) for check in checks_of(aim)]


def verify(implementation: Any, like: Any, only: Iterable[str] = ()) -> Report:
    """Run the checks of an implementation, in this process.

    Args:
        implementation: as for `checks`.
        like: torch's class or function, or its name.
        only: names of the checks to run; all, if there is none.

    >>> import torch
    >>> def half_relu(input, inplace=False):
    ...     return input.clamp(min=0) * 0.5
    >>> report = verify(half_relu, like="relu", only=["values"])
    >>> report.passed, report.failed[0].check
    (False, 'values')
    """
    bound = [check for check in checks(implementation, like) if not only or str(check) in set(only)]
    aim = implementation if isinstance(implementation, Target) else target(implementation, like)
    return Report(str(aim), aim.part.name, tuple(check.result() for check in bound))
