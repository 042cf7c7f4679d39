"""The command ``conceptlab bench``."""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from conceptlab.bench.measure import Row, by_part, cases, fails, geometric_mean, measure, number
from conceptlab.bench.networks import NETWORKS, step_ratio
from conceptlab.core import registry
from conceptlab.verify.closeness import Mismatch


def main(argv: Sequence[str]) -> int:
    """Measure, print a table, write what was asked for; 1 if a tier failed the gate."""
    options = _parser().parse_args(argv)
    console = Console()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("conceptlab bench --device cuda: this machine has no CUDA device. Leave the option out.", file=sys.stderr)
        return 1
    torch.set_num_threads(options.threads)
    try:
        only_networks = options.network and not (options.parts or options.markdown)
        chosen = [] if only_networks else cases(options.parts)
    except ValueError as error:
        print(f"conceptlab {error}", file=sys.stderr)
        return 2
    rows, failures = _measured(chosen, options, console)
    steps = {name: step_ratio(name, options.tier, options.device) for name in options.network}
    _print(rows, failures, steps, console)
    record = {
        "conditions": _conditions(options),
        "rows": [row.as_dict() for row in rows],
        "parts": dict(by_part(rows)),
        "geometric_mean": geometric_mean(ratio for _, ratio in by_part(rows)) if rows else None,
        "networks": {name: {"ratio": ratio, "seconds": seconds} for name, (ratio, seconds) in steps.items()},
        "failures": failures,
    }
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    if options.markdown:
        from conceptlab.bench.page import page

        options.markdown.write_text(page(record))
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conceptlab bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="parts or concepts; all, if none is named")
    parser.add_argument("--tier", default="handmade")
    parser.add_argument("--threads", type=int, default=1, help="1, the default, gives the figures that are bars")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compiled", action="store_true", help="also both compiled, on the first case of each part")
    parser.add_argument(
        "--network", action="append", default=[], choices=sorted(NETWORKS), help="a whole training step"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the page of docs/benchmarks.md to this file")
    return parser


def _measured(chosen: list, options: argparse.Namespace, console: Console) -> tuple[list[Row], dict[str, str]]:
    rows: list[Row] = []
    failures: dict[str, str] = {}
    passed: set[str] = set()
    for part, case in track(chosen, "Measuring", console=console, disable=not console.is_terminal):
        if part.name in failures or options.tier not in part.tiers:
            continue
        first = part.name not in passed
        failure = fails(part, options.tier) if first else None
        passed.add(part.name)
        try:
            if failure is None:
                compiled = options.compiled and first
                rows.append(measure(part, options.tier, case, device=options.device, compiled=compiled))
        except Mismatch as error:
            failure = str(error)
        if failure is not None:
            failures[part.name] = failure
    return rows, failures


def _print(rows: list[Row], failures: dict[str, str], steps: dict, console: Console) -> None:
    if rows:
        table = Table(title="time and memory as multiples of torch's own", title_justify="left")
        table.add_column("part")
        table.add_column("network")
        table.add_column("input")
        for title in ("forward", "and backward", "compiled", "memory", "saved", "ms"):
            table.add_column(title, justify="right")
        for row in rows:
            figures = (row.forward, row.both, row.compiled, row.memory, row.saved)
            table.add_row(row.part, row.network, row.shapes, *map(number, figures), f"{row.seconds * 1e3:.3f}")
        console.print(table)
        means = dict(by_part(rows))
        worst = sorted(means, key=means.__getitem__, reverse=True)[:5]
        console.print(f"Geometric mean over {len(means)} parts: {geometric_mean(means.values()):.2f}")
        console.print("Slowest: " + ", ".join(f"{name} {means[name]:.2f}" for name in worst))
    for name, (ratio, (ours, theirs)) in steps.items():
        console.print(f"Training step of {name}: {ratio:.2f} ({ours * 1e3:.1f} ms, torch's own {theirs * 1e3:.1f} ms)")
    for name, failure in failures.items():
        console.print(f"[bold]{name} fails its checks, and was not measured:[/] {failure}", soft_wrap=True)


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "tier": options.tier,
        "device": torch.cuda.get_device_name() if options.device == "cuda" else _processor(),
        "threads": options.threads,
        "dtype": "float32",
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "concepts": sorted(registry.concepts),
    }


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    if names.exists():
        for line in names.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
