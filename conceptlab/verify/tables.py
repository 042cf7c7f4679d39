"""Reports, as a terminal shows them."""

from collections import Counter
from collections.abc import Sequence
from textwrap import indent

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conceptlab.verify.report import Report, Result, Status

COLOURS: dict[Status, str] = {"passed": "green", "failed": "red", "not applicable": "dim"}


def print_one(report: Report, console: Console) -> None:
    """A line for each check, then what failed, and what else there is to say."""
    counts = Counter(result.status for result in report.results)
    words = ", ".join(f"{counts[status]} {status}" for status in COLOURS)
    table = Table(title=escape(f"{report.target} like {report.like}: {words}"), title_justify="left", box=None)
    for title in ("", "check", "what it means", "samples", "left out"):
        table.add_column(title)
    for result in report.results:
        left_out = "; ".join(f"{count} {reason}" for reason, count in result.left_out.items())
        status = f"[{COLOURS[result.status]}]{result.status}[/]"
        table.add_row(status, result.check, escape(result.says), passed_of(result), escape(left_out))
    console.print(table)
    _print_failures([report], console)
    notes = Counter(note for result in report.results for note in result.notes)
    for note in (*notes, *report.notes):
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def print_table(reports: Sequence[Report], console: Console) -> None:
    """A line for each target, then what failed."""
    table = Table()
    # names are read, figures may wrap
    table.add_column("part and tier", min_width=max(len(report.target) for report in reports))
    for title in ("samples passed", "checks passed", "failed", "not applicable"):
        table.add_column(title, justify="right")
    for report in reports:
        table.add_row(escape(report.target), *map(str, figures(report)), style=None if report.passed else "red")
    console.print(table)
    _print_failures(reports, console)
    failed = sum(not report.passed for report in reports)
    console.print(f"{len(reports) - failed} of {len(reports)} targets passed all of their checks.")


def figures(report: Report) -> tuple[str, int, int, int]:
    """Samples passed of those that applied; checks passed, failed, not applicable."""
    passed, failed = (sum(getattr(result, what) for result in report.results) for what in ("passed", "failed"))
    counts = Counter(result.status for result in report.results)
    return f"{passed} of {passed + failed}", counts["passed"], counts["failed"], counts["not applicable"]


def passed_of(result: Result) -> str:
    """How many of the samples that applied passed."""
    count = result.passed + result.failed
    return f"{result.passed} of {count}" if count else ""


def _print_failures(reports: Sequence[Report], console: Console) -> None:
    """What failed, with the likeliest cause; for the first check of each target also the code that shows it."""

    def say(words: str) -> None:
        console.print(words, markup=False, highlight=False, soft_wrap=True)

    for report in reports:
        for number, result in enumerate(report.failed):
            console.print(f"\n[red]{escape(report.target)}: {result.check}[/]: {result.failed} failed")
            for failure in result.failures:
                say(f"  {failure}")
            if result.cause:
                say(f"  likely: {result.cause}")
            if number == 0 and result.code:
                say("  In a Python prompt (--json has the code of the other checks, too):")
                say(indent("\n".join([result.code, result.output]), "    "))
