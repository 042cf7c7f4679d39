"""Runs from the command line: Hydra makes the folders and the sweeps, and here is what happens around it."""

import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from conceptlab.configuration import Mistake, compose, folder, options, plain, validate
from conceptlab.configuration.composing import PRIMARY, compose_unchecked, groups, parse, register_parts
from conceptlab.core import message


def launch(overrides: Sequence[str], *, multirun: bool, show: str | None = None) -> int:
    """``conceptlab train``: one run, or every job of a sweep. Whatever can be told beforehand is told beforehand."""
    overrides = list(overrides)
    if show:
        compose_unchecked(overrides)
        _hydra([*overrides, "--cfg", show, "--resolve"])
        return 0
    jobs = [compose_unchecked(job, with_hydra=True) for job in (_jobs(overrides) if multirun else [overrides])]
    for cfg in jobs:
        validate(_without_hydra(cfg))

    from conceptlab.tasks.run import check  # imports Lightning, for which a mistake need not wait

    for cfg in jobs:
        check(_without_hydra(cfg))
    run_dir = Path(cfg.hydra.sweep.dir if multirun else cfg.hydra.run.dir)
    if cfg.ckpt_path == "last":
        if multirun:
            remedy = "Go on with one run at a time, without -m."
            raise Mistake(message("ckpt_path=last", expected="a single run", received="a sweep", remedy=remedy))
        run_dir = _folder_to_go_on(cfg, run_dir)
    _require_writable(run_dir)
    try:
        _hydra([*overrides, f"hydra.{'sweep' if multirun else 'run'}.dir={_quoted(run_dir)}", *["-m"] * multirun])
    except KeyboardInterrupt:
        if (run_dir / "checkpoints" / "last.ckpt").is_file():
            print(
                f"conceptlab: the state is in {run_dir}; the same command with ckpt_path=last goes on", file=sys.stderr
            )
        raise
    if multirun:
        print(f"conceptlab compare --runs {run_dir}   makes a report of these runs")
    return 0


def _hydra(arguments: list[str]) -> None:
    with _command_line(arguments):
        register_parts()
        hydra.main(config_path=str(folder()), config_name=PRIMARY, version_base="1.3")(_job)()


def _quoted(path: Path) -> str:
    """A path as a value of Hydra's grammar."""
    escaped = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _job(cfg: DictConfig) -> float:
    from conceptlab.compare.words import main_metric
    from conceptlab.tasks.run import train

    run_dir = HydraConfig.get().runtime.output_dir
    result = train(cfg, run_dir)
    for name, value in result.metrics.items():
        print(f"{name} {value:.6g}")
    print(f"run: {os.path.relpath(result.folder)}")
    return result.metrics[main_metric(result.metrics) or "test/loss"]


def test_checkpoint(overrides: Sequence[str]) -> dict[str, float]:
    """``conceptlab test``: the metrics of a checkpoint, with the configuration of its run and these changes to it."""
    given = [override for override in parse(overrides) if override.key_or_group == "ckpt_path"]
    path = given[-1].value() if given else None
    if not isinstance(path, str):
        remedy = "Give it: ckpt_path=outputs/…/checkpoints/best.ckpt."
        raise Mistake(message("ckpt_path", expected="a checkpoint", received=repr(path), remedy=remedy))
    kept = Path(path).absolute().parent.parent / "config.yaml"
    config = _changed(OmegaConf.load(kept), overrides) if kept.is_file() else None
    if config is not None:
        validate(config)

    # imports Lightning, for which a mistake need not wait
    from conceptlab.tasks.run import evaluate, require_checkpoint

    require_checkpoint(path)
    if config is None:
        remedy = "Leave the checkpoint in the folder of its run."
        raise Mistake(message("ckpt_path", expected=f"the run's configuration, {kept}", received="none", remedy=remedy))
    return evaluate(config, path)


def _changed(config: Any, overrides: Sequence[str]) -> DictConfig:
    """A run's configuration, with groups chosen anew and values set."""
    begun_as = [f"experiment={config.name}"] if config.name in options("experiment") else []
    chosen = [o.key_or_group for o in parse(overrides)]
    fresh = compose_unchecked([*([] if "experiment" in chosen else begun_as), *overrides])
    for override in parse(overrides):
        key = override.key_or_group.split("@")[0].split(".")[0]
        if override.key_or_group in groups():
            config[key] = plain(fresh)[key]
        elif key not in ("ckpt_path", "hydra"):
            OmegaConf.update(config, override.key_or_group, OmegaConf.select(fresh, override.key_or_group))
    return config


def audit_network(network: str, overrides: Sequence[str]) -> Any:
    """``conceptlab audit``: what the parts of a torchvision model, or of an experiment's, are made of."""
    import torch
    import torchvision

    import conceptlab as cl
    from conceptlab.core import did_you_mean
    from conceptlab.tasks.run import build

    if network in options("experiment"):
        task, data = build(compose([f"experiment={network}", *overrides]))
        return cl.audit(task.model, *task.given(data.example()))
    if network not in torchvision.models.list_models():
        known = [*options("experiment"), *torchvision.models.list_models()]
        words = message("audit", expected="an experiment or a torchvision model", received=repr(network), remedy="")
        raise Mistake(f"{words}{did_you_mean(network, known)}")
    model = torchvision.models.get_model(network, weights=None)
    parts = {key: value for key, value in compose_unchecked(overrides).parts.items() if value is not None}
    cl.swap(model, parts, functions=True)
    return cl.audit(model.eval(), torch.randn(2, 3, 64, 64))


def _jobs(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of the jobs of a sweep: each value once, rather than every combination."""
    parsed = parse(overrides)
    choices = [
        [f"{o.get_key_element()}={v}" for v in o.sweep_string_iterator()]
        if o.is_discrete_sweep()
        else [str(o.input_line)]
        for o in parsed
    ]
    for row in itertools.zip_longest(*choices):
        yield [str(value or values[0]) for value, values in zip(row, choices, strict=True)]


def _without_hydra(cfg: DictConfig) -> Any:
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def _loaded(path: Path) -> Any:
    return OmegaConf.load(path)


def _folder_to_go_on(cfg: DictConfig, run_dir: Path) -> Path:
    """The newest run of this configuration that has a checkpoint."""
    wanted = _identity(plain(_without_hydra(cfg)))
    found = [run_dir] if (run_dir / "checkpoints" / "last.ckpt").is_file() else []
    for last in [] if found else run_dir.parent.glob("*/checkpoints/last.ckpt"):
        kept = last.parent.parent / "config.yaml"
        if kept.is_file() and _identity(plain(_loaded(kept))) == wanted:
            found.append(last.parent.parent)
    if not found:
        raise Mistake(
            message(
                "ckpt_path=last",
                expected=f"a run of this experiment, with these parts and this seed, in {run_dir.parent}",
                received="none with a checkpoint",
                remedy="Start it without ckpt_path, or name a file.",
            )
        )
    return max(found, key=lambda path: (path / "checkpoints" / "last.ckpt").stat().st_mtime)


def _identity(config: dict[str, Any]) -> dict[str, Any]:
    """What makes two runs the same: not how long they go, nor where or with what display."""
    keys = ("name", "seed", "data", "model", "task", "optimizer", "parts")
    return {key: config.get(key) for key in keys}


def _require_writable(run_dir: Path) -> None:
    """Refuse before Hydra meets it: the folder can be made, and takes a file."""
    from conceptlab.tasks.run import unwritable

    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run_dir):
            pass
    except OSError as error:
        raise unwritable(run_dir, error) from error


@contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    """Hydra reads the command line, and is asked to pass errors on as they are."""
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = ["conceptlab", *arguments], "1"
    try:
        yield
    finally:
        sys.argv = before[0]
        os.environ.pop("HYDRA_FULL_ERROR")
        if before[1] is not None:
            os.environ["HYDRA_FULL_ERROR"] = before[1]
