"""What `verify` answers: for each check whether it passed, and what failed."""

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from conceptlab.verify.tally import Tally

Status = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Result:
    """What came out of one check.

    Attributes:
        check: its name.
        says: the sentence that says what it means.
        passed: how many samples passed.
        failed: how many failed.
        left_out: how many did not apply, by reason: torch itself cannot do them.
        failures: what went wrong, first failure first.
        notes: what else there is to say: what it prints, which samples were drawn.
        code: what shows the first failure in a Python prompt, with the smallest input that was found.
        output: what the code prints: what was expected, and what was received.
        cause: the likeliest cause, in words.
    """

    check: str
    says: str
    passed: int = 0
    failed: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    code: str = ""
    output: str = ""
    cause: str = ""

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Result":
        """From plain values, as `Report.as_dict` gives them."""
        known = [field.name for field in fields(cls)]
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in plain.items() if n in known}
        return cls(**values)

    @classmethod
    def of(cls, check: str, says: str, tally: Tally) -> "Result":
        """From a tally."""
        failures = tuple(map(str, tally.failures[:3]))
        return cls(check, says, tally.passed, len(tally.failures), dict(tally.left_out), failures)

    @property
    def status(self) -> Status:
        """A check of which no sample applied has not passed."""
        return "failed" if self.failed else "passed" if self.passed else "not applicable"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "status": self.status}


@dataclass(frozen=True)
class Report:
    """All checks of one target.

    Attributes:
        target: what was verified.
        like: torch's name, what it is to be equal to.
        results: a result for each check.
        notes: what was left out, and why.
    """

    target: str
    like: str
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Report":
        """From plain values, as `as_dict` gives them."""
        results = tuple(Result.from_dict(result) for result in plain["results"])
        return cls(plain["target"], plain["like"], results, tuple(plain["notes"]))

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> list[Result]:
        """The checks that failed."""
        return [result for result in self.results if result.status == "failed"]

    def __str__(self) -> str:
        counts = Counter(result.status for result in self.results)
        lines = [f"{self.target} like {self.like}: " + ", ".join(f"{n} {status}" for status, n in counts.items())]
        for result in self.results:
            samples = f"{result.passed} of {result.passed + result.failed} samples"
            lines.append(f"  {result.status:14} {result.check:24} {samples}")
            lines += [f"    {reason}: {n} left out" for reason, n in result.left_out.items()]
            lines += [f"    {failure}" for failure in (*result.failures[:1], *result.notes)]
            lines += [f"    likely: {result.cause}"] if result.cause else []
            lines += [f"      {line}" for text in (result.code, result.output) for line in text.splitlines()]
        lines += self.notes
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "passed": self.passed, "results": [result.as_dict() for result in self.results]}
