"""``conceptlab compare``: run the variants, measure them, write the report."""

import argparse
import copy
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conceptlab.compare import words
from conceptlab.compare.report import PAGE, reference_of, write_report
from conceptlab.compare.runs import YARDSTICK, Run, describe, read_run, read_runs
from conceptlab.configuration import Mistake, compose, plain, validate
from conceptlab.core import message

INTERRUPTED = 130
"""The exit status after Ctrl-C."""

YARDSTICK_STEPS = 200
"""How far the yardstick goes: by then, rounding has usually grown to the size of everything."""

USAGE = """\
  conceptlab compare experiment=digits_cnn                         built-in against handmade parts
  conceptlab compare experiment=digits_mlp variants=[builtin,handmade,naive] seed=2
  conceptlab compare 'variants=[builtin,{default: builtin, BatchNorm2d: "mypkg:MyNorm"}]'
  conceptlab compare --runs multirun/digits_mlp/2026-01-31_12-00-00   the report of runs that exist
"""

console = Console(highlight=False, soft_wrap=True)


def main(argv: Sequence[str]) -> int:
    """Run ``conceptlab compare`` with these arguments; the exit status.

    Raises:
        Mistake: the arguments, or the configuration, are not such as can be run.
    """
    parser = argparse.ArgumentParser(
        "conceptlab compare",
        description="Run the same experiment once a variant, and write report.html and report.json.",
        epilog=f"examples:\n{USAGE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="the experiment, variants=[…], and any other setting")
    parser.add_argument("--runs", nargs="+", type=Path, metavar="FOLDER", help="read runs that exist instead")
    arguments = parser.parse_args(argv)
    if arguments.runs:
        return _of_runs(arguments.runs, arguments.overrides)
    return _of_experiment(arguments.overrides)


def _of_runs(folders: Sequence[Path], overrides: Sequence[str]) -> int:
    if overrides:
        raise Mistake(
            message(
                "compare --runs",
                expected="folders only",
                received=shlex.join(overrides),
                remedy="The runs have their configuration already; leave the settings out.",
            )
        )
    try:
        runs = read_runs(folders)
        return _report(runs, folders[0])
    except (FileNotFoundError, ValueError) as error:
        raise Mistake(str(error)) from error


def _of_experiment(overrides: Sequence[str]) -> int:
    configs = variants(overrides)
    first = next(iter(configs.values()))
    folder = Path(first.paths.run_dir or _new_folder(first)).absolute()
    folders = {name: folder / _slug(name) for name in configs}
    try:
        for index, (name, config) in enumerate(configs.items(), start=1):
            console.print(f"[bold]{name}[/], {index} of {len(configs)}: {folders[name]}")
            _train(config, folders[name])
        finished = [run for run in map(read_run, folders.values()) if run.finished]
        if len(finished) > 1:
            reference = reference_of(finished)
            _train_yardstick(configs[reference.variant], folder / YARDSTICK)
            console.print("Measuring the variants in turns")
            _measure([reference, *(run for run in finished if run is not reference)])
    except KeyboardInterrupt:
        kept = [override for override in overrides if not override.startswith("paths.run_dir=")]
        again = shlex.join(["conceptlab", "compare", *kept, f"paths.run_dir={folder}"])
        console.print(f"\nInterrupted. What is finished stays. To go on:\n  {again}")
        return INTERRUPTED
    return _of_runs([folder], [])


def variants(overrides: Sequence[str]) -> dict[str, DictConfig]:
    """A configuration for each variant, by its name.

    >>> configs = variants(["experiment=digits_mlp", "variants=[builtin,{default: builtin, relu: naive}]"])
    >>> {name: config.parts for name, config in configs.items()}
    {'builtin': {'default': 'builtin'}, 'builtin, relu=naive': {'default': 'builtin', 'relu': 'naive'}}

    Raises:
        Mistake: a configuration that cannot be run, or a setting of ``parts``, which is what the variants differ in.
    """
    for override in overrides:
        if override.lstrip("+~").split("=")[0].split(".")[0] == "parts":
            raise Mistake(
                message(
                    "compare",
                    expected="settings that all variants share",
                    received=override,
                    remedy="Say which parts to compare: variants=[builtin,handmade].",
                )
            )
    base = compose(overrides)
    configs = {}
    for variant in plain(base)["variants"]:
        parts = {"default": variant} if isinstance(variant, str) else variant
        config = configs[describe(parts)] = copy.deepcopy(base)
        OmegaConf.update(config, "parts", parts, merge=False)
    for config in configs.values():
        validate(config)
    return configs


def _new_folder(config: DictConfig) -> Path:
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    return Path(config.paths.output_dir) / config.name / f"compare_{now}"


def _slug(name: str) -> str:
    """A variant's name as the name of a folder.

    >>> _slug("builtin, BatchNorm2d=mypkg:MyNorm")
    'builtin-BatchNorm2d-mypkg-MyNorm'
    """
    return re.sub(r"[^\w.]+", "-", name)


def _train(config: DictConfig, folder: Path) -> None:
    """Train, unless that is done. What goes wrong is told, and kept in the run's folder; the next run has its turn."""
    from conceptlab.tasks.run import train  # imports lightning, which reading runs does not need

    config = copy.deepcopy(config)
    config.paths.run_dir = str(folder)
    before = read_run(folder)
    if before.config and _settings(before.config) != _settings(plain(config)):
        raise Mistake(
            message(
                f"paths.run_dir={folder.parent}",
                expected="a folder with runs of this configuration, or a new one",
                received=f"a run of another configuration in {folder.name}",
                remedy="Give the settings of that run, or another folder.",
            )
        )
    if before.finished:
        console.print("  finished before")
        return
    if (folder / "checkpoints" / "last.ckpt").exists():
        config.ckpt_path = "last"
    try:
        train(config, folder)
    except Exception as error:
        if not (folder / "status.json").exists():
            raise
        if not isinstance(error, Mistake):
            console.print_exception()
        console.print(f"[bold red]{folder.name} failed:[/] {escape(str(error))}")


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the numbers of a run."""
    return {key: value for key, value in config.items() if key not in ("paths", "ckpt_path", "variants", "logger")}


def _train_yardstick(config: DictConfig, folder: Path) -> None:
    console.print(f"[bold]yardstick[/], at most {YARDSTICK_STEPS} steps after a rounding of all weights: {folder}")
    config = copy.deepcopy(config)
    callback = {"_target_": "conceptlab.compare.yardstick.Yardstick", "steps": YARDSTICK_STEPS}
    OmegaConf.update(config, "callbacks", {**(config.callbacks or {}), YARDSTICK: callback}, merge=False)
    _train(config, folder)


def _measure(runs: Sequence[Run]) -> None:
    from conceptlab.compare.measure import measure

    try:
        measure([run.folder for run in runs])
    except Exception as error:
        # the runs are there, and the report of them is what was asked for
        console.print_exception()
        console.print(f"[bold red]Not measured:[/] {escape(str(error))}")


def _report(runs: Sequence[Run], folder: Path) -> int:
    report = write_report(runs, folder)
    console.print(_table(report))
    for failure in report["failed"]:
        seed = "" if failure["seed"] is None else f", seed {failure['seed']}"
        console.print(f"[bold red]{failure['variant']}{seed}: {failure['state']}.[/] {escape(failure['error'])}")
    console.print(f"Report: {(folder / PAGE).resolve()}")
    return 1 if report["failed"] else 0


def _table(report: Mapping[str, Any]) -> Table:
    reference = report["variants"][0]
    metric = words.main_metric(reference["metrics"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("variant", f"same as {reference['name']}", words.label(metric or "metric"), "step", "ratio"):
        table.add_column(column, justify="right" if column in ("step", "ratio") else "left")
    for variant in report["variants"]:
        values = variant["metrics"].get(metric)
        table.add_row(
            variant["name"],
            variant["answers"]["same"]["short"] if variant["answers"] else "",
            words.metric(metric, values["mean"]) if values else "",
            words.ms(variant["step_ms"]["median"]),
            f"{variant['step_ms']['ratio']:.2f}" if variant["step_ms"]["ratio"] else "",
        )
    return table
