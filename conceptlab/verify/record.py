"""The file of a run: whole at any time, so that what was interrupted, or killed, can go on from it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conceptlab.core import message
from conceptlab.core.files import write_json
from conceptlab.verify.report import Report

COMPARED = ("conceptlab", "torch", "python", "device", "dtypes", "time_limit", "checks", "scope")
"""What has to be alike, or the reports would not belong together."""


class Record:
    """What a run has found so far, kept in a JSON file after each target.

    Args:
        path: the file; None keeps it in memory only.
        conditions: versions and settings.
        names: the targets, in order.
    """

    def __init__(self, path: Path | None, conditions: dict[str, Any], names: Sequence[str]) -> None:
        self.path, self.conditions, self.names = path, conditions, names
        self.minutes = 0.0
        self._reports: dict[str, Report] = {}

    @property
    def reports(self) -> list[Report]:
        """Those that are there, in the order of the targets."""
        return [self._reports[name] for name in self.names if name in self._reports]

    @property
    def missing(self) -> list[str]:
        """The targets without a report."""
        return [name for name in self.names if name not in self._reports]

    @property
    def passed(self) -> bool:
        """Whether all targets are there, and none failed."""
        return not self.missing and all(report.passed for report in self.reports)

    def resume(self) -> None:
        """Take over what the file has of these targets.

        Raises:
            ValueError: there is no such file, it is none of ours, or its run had other conditions.
        """
        if self.path is None:
            raise _wrong("--json FILE with it, the file to go on from", "no such option", "Name the file.")
        try:
            plain = json.loads(self.path.read_text(encoding="utf-8"))
            found, conditions = [Report.from_dict(report) for report in plain["reports"]], plain["conditions"]
            minutes = float(conditions["minutes"])
        except OSError as error:
            raise _wrong(
                "a file that can be read", f"{self.path}: {error.strerror}", "Leave the option out."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise _wrong("a file that --json wrote", str(self.path), "Leave the option out.") from error
        for what in COMPARED:
            if conditions.get(what) != self.conditions[what]:
                raise _wrong(
                    f"a run with {what} {self.conditions[what]!r}, as this one",
                    f"{self.path}, with {conditions.get(what)!r}",
                    "Repeat the options of then, or leave this one out.",
                )
        self.minutes = minutes
        self._reports = {report.target: report for report in found if report.target in self.names}

    def add(self, name: str, report: Report, minutes: float) -> None:
        """Keep a report. The file has it when this returns, and is whole at any time.

        Args:
            name: of the target.
            report: what was found.
            minutes: that the run has taken so far, with those of the run that it goes on from.
        """
        self._reports[name], self.minutes = report, minutes
        if self.path is None:
            return
        plain = {
            "passed": self.passed,
            "missing": self.missing,
            "conditions": {**self.conditions, "minutes": round(minutes, 1)},
            "reports": [report.as_dict() for report in self.reports],
        }
        write_json(self.path, plain)


def _wrong(expected: str, received: str, remedy: str) -> ValueError:
    return ValueError(message("--resume", expected=expected, received=received, remedy=remedy))
