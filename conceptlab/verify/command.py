"""Verify concepts, or an implementation of your own, against torch's own."""

import argparse
import platform
import random
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from conceptlab import __version__
from conceptlab.core import did_you_mean, message, registry
from conceptlab.verify.conformance import page
from conceptlab.verify.jobs import Job, verify_job, verify_jobs
from conceptlab.verify.record import Record
from conceptlab.verify.report import Report
from conceptlab.verify.running import FEW
from conceptlab.verify.suite import SLOW, check_names, checks_of
from conceptlab.verify.tables import print_one, print_table
from conceptlab.verify.target import DTYPES, tier_of

DTYPE_NAMES = tuple(str(dtype).removeprefix("torch.") for dtype in DTYPES)


def main(argv: Sequence[str]) -> int:
    """Verify, print, write what was asked for.

    Returns:
        0 if all passed, 1 if something failed, 2 for a wrong call, 130 where it was interrupted.
    """
    options = _parser().parse_args(argv)
    console = Console()
    try:
        jobs = _jobs(options)
        record = Record(options.json, _conditions(options), [str(job) for job in jobs])
        if options.resume:
            record.resume()
        _verify([job for job in jobs if str(job) in record.missing], record, options)
    except ValueError as error:
        print(f"conceptlab verify: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if record.reports:
            print_table(record.reports, console)
        kept = f"--json {options.json} --resume goes on from there." if options.json else "--json FILE would keep them."
        print(f"conceptlab verify: interrupted; {len(record.reports)} of {len(jobs)} done. {kept}", file=sys.stderr)
        return 130
    if _own(options):
        print_one(record.reports[0], console)
    else:
        print_table(record.reports, console)
    if scope := _scope(options):
        console.print(scope, soft_wrap=True)
    if options.markdown:
        options.markdown.write_text(page(record.reports, {**record.conditions, "minutes": round(record.minutes, 1)}))
    return 0 if record.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conceptlab verify", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="concepts or parts, or an import path module:object")
    parser.add_argument("--like", metavar="NAME", help="torch's name of what module:object is to be equal to")
    parser.add_argument("--tier", help="of the concepts, this tier only")
    parser.add_argument("--dtypes", default=",".join(DTYPE_NAMES), help="in which rounding errors are measured")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="some checks, some samples: seconds for each target")
    parser.add_argument("--sample", type=int, metavar="N", help="of the targets, a draw of N")
    parser.add_argument("--only", nargs="+", default=[], metavar="CHECK", help="these checks only")
    parser.add_argument("--time-limit", type=float, default=20.0, metavar="SECONDS", help="for a sample (20)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes at a time (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to this file, target by target")
    parser.add_argument("--resume", action="store_true", help="go on from the file of --json, after an interruption")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of docs/conformance.md there")
    return parser


def jobs_of(argv: Sequence[str]) -> list[Job]:
    """The targets that a call names.

    Raises:
        ValueError: the call is wrong.
    """
    return _jobs(_parser().parse_args(argv))


def _own(options: argparse.Namespace) -> bool:
    """Whether one implementation from elsewhere is verified."""
    return any(":" in name for name in options.names)


def _jobs(options: argparse.Namespace) -> list[Job]:
    dtypes = tuple(options.dtypes.split(","))
    for option, given, known in (("--dtypes", dtypes, DTYPE_NAMES), ("--only", options.only, check_names())):
        for name in given:
            _require_known(option, name, known)
    for option, value in (("--time-limit", options.time_limit), ("--workers", options.workers)):
        if value <= 0:
            raise _wrong(option, "a number above 0", f"{value:g}", "Leave the option out for the usual one.")
    if options.sample is not None and options.sample < 1:
        raise _wrong("--sample", "a number above 0", str(options.sample), "Leave the option out for all targets.")
    for option, path in (("--json", options.json), ("--markdown", options.markdown)):
        if path is not None and not path.parent.is_dir():
            raise _wrong(option, "a file in a folder that exists", repr(str(path)), "Make the folder first.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise _wrong("--device", "a device of this machine", "'cuda', which it has not", "Leave the option out.")
    where = {"device": options.device, "dtypes": dtypes}
    if _own(options):
        if len(options.names) > 1:
            raise _wrong("NAME", "one import path", " ".join(options.names), "Verify one at a time.")
        if options.like is None:
            remedy = "Say what of torch's it is to be equal to, for instance --like BatchNorm2d."
            raise _wrong("--like", "a name, since module:object says nothing of it", "none", remedy)
        if options.tier is not None:
            raise _wrong("--tier", "no tier for an import path", repr(options.tier), "Leave the option out.")
        return [Job(options.like, implementation=options.names[0], **where)]
    if options.like is not None:
        remedy = "Name your own as module:object, or leave the option out."
        raise _wrong("--like", "an import path to go with it", " ".join(options.names) or "no name", remedy)
    jobs = [Job(name, tier, **where) for name, tier in _parts(options.names, options.tier, options.only)]
    if options.sample is not None and options.sample < len(jobs):
        jobs = [jobs[i] for i in sorted(random.Random(0).sample(range(len(jobs)), options.sample))]
    return jobs


def _parts(names: Sequence[str], tier: str | None, only: Sequence[str]) -> list[tuple[str, str]]:
    """Parts and tiers of the concepts and parts that are named, or of all, which have one of the checks.

    The tier builtin is what the others are compared with.
    """
    for name in names:
        _require_known("NAME", name, {*registry.concepts, *registry.parts})
    if tier is not None:
        _require_known("--tier", tier, registry.tiers - {"builtin"})
    found = [
        (part.name, own)
        for part in registry.parts.values()
        if not names or part.name in names or part.concept in names
        for own in sorted(part.tiers)
        if own != "builtin" and tier in (None, own)
    ]
    able = [
        (name, own)
        for name, own in found
        for known in [{check.__name__ for check in checks_of(tier_of(registry.parts[name], own))}]
        if known and (not only or known & set(only))
    ]
    if not able:
        received = f"{' '.join(names) or 'all'}, tier {tier or 'any'}, checks {' '.join(only) or 'all'}"
        raise _wrong("verify", "parts that have the tier and the checks", received, "Leave out --tier or --only.")
    return able


def _verify(jobs: Sequence[Job], record: Record, options: argparse.Namespace) -> None:
    """Verify, with a progress bar where somebody looks on, and keep each report as it comes."""
    if not jobs:
        return
    errors, began, before = Console(stderr=True), time.monotonic(), record.minutes
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        bar = progress.add_task("starting", total=len(jobs))

        def tell(target: str, check: str, share: float) -> None:
            progress.update(bar, description=f"{target} {check}", advance=share)

        def keep(job: Job, report: Report) -> None:
            record.add(str(job), report, before + (time.monotonic() - began) / 60)

        one = partial(verify_job, only=options.only, quick=options.quick, progress=tell)
        verify_jobs(jobs, min(options.workers, len(jobs)), options.time_limit, one, keep)


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "conceptlab": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": options.device,
        "dtypes": options.dtypes.split(","),
        "time_limit": options.time_limit,
        "checks": options.only,
        "scope": _scope(options),
    }


def _scope(options: argparse.Namespace) -> str:
    """What was left out on purpose."""
    parts = []
    if options.quick:
        slow = ", ".join(sorted(check.__name__ for check in SLOW))
        parts.append(f"Quick: at most {FEW} samples a check, drawn, and without {slow}.")
    if options.sample is not None:
        parts.append(f"A draw of {options.sample} of the targets.")
    return " ".join(parts)


def _require_known(where: str, name: str, known: Any) -> None:
    if name not in known:
        raise _wrong(where, "a name that is known", repr(name), did_you_mean(name, known))


def _wrong(where: str, expected: str, received: str, remedy: str) -> ValueError:
    return ValueError(message(where, expected=expected, received=received, remedy=remedy))
