"""The page of docs/conformance.md: what passes, and what fails. ``conceptlab verify --markdown FILE`` writes it."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from conceptlab.core import registry
from conceptlab.verify.report import Report
from conceptlab.verify.tables import figures

INTRODUCTION = """\
# Conformance

Which parts do what torch's own do, part by part and tier by tier, as `conceptlab verify` finds it. This page is written
by `make verify`. What torch itself cannot do is not applicable, and counts neither as passed nor as failed. What torch
lacks altogether is held to its definition, and all of its tiers to laws.

conceptlab {conceptlab}, torch {torch}, Python {python}, on {device}, in {minutes} minutes.{scope}

**{right} of {count} targets pass all of their checks.** The others, by name: [what fails](#what-fails).
"""

HEAD = ("| part and tier | samples passed | checks passed | failed | not applicable |", "|---|---|---|---|---|")


def page(reports: Sequence[Report], conditions: dict[str, Any]) -> str:
    """The page.

    Args:
        reports: of parts, those of a concept one after the other.
        conditions: versions, and what was left out.
    """
    right = sum(report.passed for report in reports)
    scope = f" {conditions['scope']}" if conditions["scope"] else ""
    lines = [INTRODUCTION.format(**{**conditions, "scope": scope}, right=right, count=len(reports))]
    for title, group in groupby(reports, _title):
        rows = [f"| {' | '.join(map(str, (report.target, *figures(report))))} |" for report in group]
        lines += [f"## {title}", "", *HEAD, *rows, ""]
    failures = [
        f"- {report.target}, {result.check}: {result.failed} failed, the first: `{_line(result.failures[0])}`"
        for report in reports
        for result in report.failed
    ]
    return "\n".join([*lines, "## What fails", "", *(failures or ["Nothing."])]) + "\n"


def _title(report: Report) -> str:
    part = registry.parts.get(report.like)
    return registry.concepts[part.concept].title.capitalize() if part is not None else "Others"


def _line(words: str) -> str:
    """On one line, in the form of code."""
    return " ".join(words.replace("`", "'").split())[:300]
