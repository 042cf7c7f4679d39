"""Is it right? `verify` asks it of any implementation of what torch has, `checks` as one test a check."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch

from conceptlab.core import did_you_mean, message
from conceptlab.verify.report import Report, Result
from conceptlab.verify.running import name_of, result_of, says
from conceptlab.verify.suite import FULL_RUN, SLOW, Check, check_names, checks_of
from conceptlab.verify.target import DTYPES, Target, target

__all__ = ["BoundCheck", "Report", "Result", "checks", "verify"]


@dataclass(frozen=True)
class BoundCheck:
    """A check of one target, ready to be called: `pytest`'s parameter, for instance."""

    check: Check
    target: Target

    def __str__(self) -> str:
        return name_of(self.check)

    @property
    def says(self) -> str:
        """The sentence that says what it means."""
        return says(self.check)

    @property
    def for_full_run(self) -> bool:
        """Whether it takes so long that a test suite may leave it to `make verify`."""
        return self.check in FULL_RUN

    def __call__(self) -> None:
        """Raises:
        Mismatch: a sample failed.
        """
        self.check(self.target).raise_if_failed()

    def result(self, *, quick: bool = False) -> Result:
        """The same, as a value."""
        return result_of(self.check, self.target, quick=quick)


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


def verify(
    implementation: Any,
    like: Any,
    only: Collection[str] = (),
    *,
    dtypes: Iterable[torch.dtype] = DTYPES,
    device: str = "cpu",
    quick: bool = False,
) -> Report:
    """Run the checks of an implementation, in this process.

    What hangs or crashes, hangs or crashes this process; the command ``conceptlab verify`` is safe from it.

    Args:
        implementation: as for `checks`.
        like: torch's class or function, or its name.
        only: names of the checks to run; all, if there is none.
        dtypes: those in which rounding errors are measured.
        device: where the samples and layers lie.
        quick: leave out the slow checks, and run a draw of the samples of the others.

    Raises:
        ValueError: there is no such check, torch has no such name, or an import path leads nowhere.
        TypeError: ``implementation`` is of the wrong kind.

    >>> import torch
    >>> def half_relu(input, inplace=False):
    ...     return input.clamp(min=0) * 0.5
    >>> report = verify(half_relu, like="relu", only=["values"])
    >>> report.passed, report.failed[0].check
    (False, 'values')
    """
    aim = implementation if isinstance(implementation, Target) else target(implementation, like)
    aim = replace(aim, device=device, dtypes=tuple(dtypes))
    chosen, notes = select(aim, only, quick=quick)
    return Report(str(aim), aim.part.name, tuple(check.result(quick=quick) for check in chosen), notes)


def select(aim: Target, only: Collection[str] = (), *, quick: bool = False) -> tuple[list[BoundCheck], tuple[str, ...]]:
    """The checks of a target that are to be run, and a note of those that are left out.

    A slow check that is named in ``only`` is run all the same; one that the target does not have is not.

    Raises:
        ValueError: there is no such check, or nothing is left.
    """
    every = {str(check): check for check in checks(aim, aim.part.name)}
    known = check_names()
    unknown = [name for name in only if name not in known]
    able = [name for name in every if not only or name in only]
    if unknown or not able:
        raise ValueError(
            message(
                f"verify {aim}",
                expected=f"a check of a {aim.kind}",
                received=", ".join(map(repr, unknown or only)) or "a kind that has none yet",
                remedy=did_you_mean(unknown[0], known) if unknown else f"Known: {', '.join(every)}.",
            )
        )
    slow = [name for name in able if quick and not only and every[name].check in SLOW]
    chosen = [every[name] for name in able if name not in slow]
    return chosen, (f"left out: {', '.join(slow)}",) if slow else ()
