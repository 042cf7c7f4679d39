"""The command ``python -m conceptlab.verify.mutants``."""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from conceptlab.core import did_you_mean, message, registry
from conceptlab.verify.mutants import (
    Baseline,
    Mutant,
    Reviewed,
    TierFile,
    Verdict,
    baselines,
    mutants_of,
    run,
    tier_files,
)
from conceptlab.verify.mutants.record import Verdicts
from conceptlab.verify.mutants.reviewed import SHARE


def main(arguments: list[str] | None = None) -> int:
    """Run it, print what survived and a table, and say by the exit status whether all is well."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    began, out, reviewed = time.monotonic(), Console(), Reviewed.read()
    files = {f.name: f for f in _chosen(options)}
    mutants = _mutants(files, reviewed, options)
    total = len(mutants)
    # in an order that is drawn, so that what is reached in the time is a sample
    mutants = random.Random(options.seed).sample(mutants, min(total, options.sample or total))
    verdicts = Verdicts(options.json)
    if options.resume:
        verdicts.resume(mutants)
    missing = [mutant for mutant in mutants if mutant not in verdicts]
    try:
        for verdict in _judged(missing, files, reviewed, options, began, out):
            verdicts.add(verdict)
        ended = None
    except KeyboardInterrupt:
        ended = "Interrupted; " + ("--resume goes on from there." if options.json else "--json FILE would keep them.")
    out.print(verdicts.table())
    if len(verdicts) < total:
        out.print(f"A sample of {len(verdicts)} of {total} mutants, seed {options.seed}.")
    took = time.monotonic() - began
    out.print(f"{len(verdicts)} mutants in {took:.0f} s; {verdicts.share:.1%} equivalent, {SHARE:.0%} allowed")
    if ended:
        print(ended, file=sys.stderr)
        return 130
    return int(verdicts.count("survived") > 0 or verdicts.share > SHARE)


def _mutants(files: dict[str, TierFile], reviewed: Reviewed, options: argparse.Namespace) -> list[Mutant]:
    """All that are asked for, once the list of what has been reviewed is known to be about code that is there."""
    reviewed.check_files(file.name for file in tier_files([], options.tier))
    mutants: list[Mutant] = []
    for name, file in files.items():
        source = file.path.read_text()
        found = mutants_of(source, name, reviewed.speed_of(name))
        reviewed.check(name, source, found)
        mutants += found
    return [mutant for mutant in mutants if options.only in f"{mutant} {mutant.key}"]


def _judged(
    mutants: list[Mutant],
    files: dict[str, TierFile],
    reviewed: Reviewed,
    options: argparse.Namespace,
    began: float,
    out: Console,
) -> Iterator[Verdict]:
    """File after file, each with its share of the time."""
    files = {name: file for name, file in files.items() if any(mutant.file == name for mutant in mutants)}
    known: dict[str, Baseline] = {}
    for index, (name, file) in enumerate(files.items()):
        if name not in known:
            of_concept = [other for other in files.values() if other.concept == file.concept]
            known = baselines(of_concept, options.jobs)
        mine, left = ([m for m in mutants if m.file in names] for names in ([name], [*files][index:]))
        share = len(mine) / max(1, len(left)) * (60 * options.minutes - (time.monotonic() - began))
        yield from _of_file(file, mine, known[name], reviewed, options, time.monotonic() + share, out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m conceptlab.verify.mutants", description="Are the checks right?")
    parser.add_argument("concepts", nargs="*", metavar="CONCEPT", help="all, if there is none")
    parser.add_argument("--tier", default="handmade")
    parser.add_argument("--file", action="append", default=[], help="only files whose path ends so")
    parser.add_argument("--only", default="", metavar="TEXT", help="only mutants whose name has this text")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants, drawn from all alike")
    parser.add_argument("--minutes", type=float, default=60, help="after which no more are run; 60 by default")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at a time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="what became of each mutant, kept after each")
    parser.add_argument("--resume", action="store_true", help="go on from the file of --json, after an interruption")
    return parser


def _chosen(options: argparse.Namespace) -> list[TierFile]:
    for concept in options.concepts:
        if concept not in registry.concepts:
            known = did_you_mean(concept, registry.concepts)
            raise SystemExit(message("mutants", expected="a concept", received=repr(concept), remedy=known))
    files = tier_files(options.concepts, options.tier)
    return [f for f in files if not options.file or any(f.name.endswith(end) for end in options.file)]


def _of_file(
    file: TierFile,
    mutants: list[Mutant],
    known: Baseline,
    reviewed: Reviewed,
    options: argparse.Namespace,
    until: float,
    out: Console,
) -> Iterator[Verdict]:
    if not known.cost:
        out.print(f"{file.name}: no check is about its parts")
        return
    mutants = [mutant for mutant in mutants if known.concerns(mutant)]
    errors = Console(stderr=True)
    judged = run(file, mutants, known, reviewed.equivalent.get(file.name, ()), jobs=options.jobs)
    for verdict in track(
        judged, file.name, len(mutants), console=errors, transient=True, disable=not errors.is_terminal
    ):
        yield verdict
        if verdict.status == "survived":
            out.print(f"[red]survived[/] {verdict.by}", end=" ")
            out.print(str(verdict.mutant), markup=False, highlight=False, soft_wrap=True)
        sys.stdout.flush()
        if time.monotonic() > until:
            return


if __name__ == "__main__":
    sys.exit(main())
