"""One run: from a configuration to a folder with the model, its curves and its metrics (docs/runs.md)."""

import logging
import pickle
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import lightning.pytorch as L
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

import conceptlab as cl
from conceptlab.configuration import Mistake, plain, validate
from conceptlab.core import message
from conceptlab.core.files import write_json
from conceptlab.data import Data
from conceptlab.tasks.callbacks import Curves, Gallery, LastCheckpoint, Stopwatch, SwapRecord
from conceptlab.tasks.processes import is_child, launched_by
from conceptlab.tasks.status import Status
from conceptlab.tasks.task import Task


@dataclass(frozen=True)
class RunResult:
    """What a run leaves.

    Attributes:
        folder: where it is.
        state: ``finished``; a run that was not has raised.
        metrics: of the test.
        steps: how many steps the optimizer took.
    """

    folder: Path
    state: str
    metrics: dict[str, float]
    steps: int


def build(cfg: DictConfig | Mapping[str, Any]) -> tuple[Task, Data]:
    """The task and its data as the configuration says, with their parts swapped."""
    config = plain(cfg)
    given = {key: config[key] for key in ("model", "optimizer", "scheduler", "parts", "seed")}
    task = hydra.utils.instantiate(config["task"], _recursive_=False, _convert_="all")(**given)
    data = hydra.utils.instantiate(config["data"], _recursive_=False, _convert_="all")
    for name, transform in data.transforms.items():
        task.reports[name] = cl.swap(transform, config["parts"])
    return task, data


def train(cfg: DictConfig | Mapping[str, Any], run_dir: str | Path) -> RunResult:
    """Train and test as the configuration says, and leave everything in ``run_dir``.

    Raises:
        Mistake: something that a person can put right.
        KeyboardInterrupt: Ctrl-C; ``checkpoints/last.ckpt`` is there to go on from.
    """
    folder = Path(run_dir).absolute()
    config = check(_with(cfg, paths={"run_dir": str(folder)}))
    checkpoint = folder / "checkpoints" / "last.ckpt" if config["ckpt_path"] == "last" else config["ckpt_path"]
    with _float32(config["float32"]), _calm():
        task, data = build(config)
        if checkpoint is not None:
            require_checkpoint(checkpoint, task)
        if not is_child():
            _start_folder(folder, config)
        status = None if is_child() else Status(folder)
        try:
            with launched_by(folder, checkpoint), _interruptible():
                result = _fit_and_test(config, folder, task, data, checkpoint)
        except BaseException as error:
            if status:
                status.set("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", error)
            raise
        if status:
            status.set(result.state)
    return result


def evaluate(cfg: DictConfig | Mapping[str, Any], checkpoint: str | Path) -> dict[str, float]:
    """The test metrics of a checkpoint, computed on the parts that the configuration names, on one device."""
    config = check(_with(cfg, trainer={"strategy": "auto", "devices": 1}))
    with _float32(config["float32"]), _calm():
        task, data = build(config)
        content = require_checkpoint(checkpoint, task)
        task.load_state_dict(content["state_dict"])
        # Lightning keeps a data module's state under the name of its class
        if data.__class__.__qualname__ in content:
            data.load_state_dict(content[data.__class__.__qualname__])
        trainer = hydra.utils.instantiate(config["trainer"], logger=False, enable_checkpointing=False, _convert_="all")
        return dict(trainer.test(task, datamodule=data, verbose=False)[0])


def check(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Everything that can be told before anything is written. Returns the configuration as plain dicts.

    Raises:
        Mistake: the configuration, the device, the data or the checkpoint cannot be used.
    """
    validate(cfg)
    config = plain(cfg)
    accelerator = config["trainer"].get("accelerator")
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        received = "a machine without one" if not torch.backends.cuda.is_built() else "none that torch can use"
        remedy = "Use trainer=cpu, or a machine and a torch with CUDA."
        raise Mistake(
            message(f"trainer.accelerator={accelerator}", expected="a CUDA device", received=received, remedy=remedy)
        )
    data = hydra.utils.instantiate(config["data"], _recursive_=False, _convert_="all")
    data.require()
    data.require_fit(config["model"])
    _require_buildable(config)
    if config["ckpt_path"] not in (None, "last"):
        require_checkpoint(config["ckpt_path"])
    return config


def _require_buildable(config: Mapping[str, Any]) -> None:
    """Refuse settings that the model's own constructor refuses, such as heads that do not divide the width."""
    try:
        build(config)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise Mistake(str(error.__cause__)) from error
        raise


def _with(cfg: DictConfig | Mapping[str, Any], **changes: dict[str, Any]) -> DictConfig:
    """A copy of a configuration with some values changed; what refers to them follows."""
    config = cfg if isinstance(cfg, DictConfig) else OmegaConf.create(dict(cfg))
    changed: Any = OmegaConf.merge(config, changes)
    return changed


def require_checkpoint(path: str | Path, task: L.LightningModule | None = None) -> dict[str, Any]:
    """A checkpoint's content, with the weights that ``task`` has.

    Raises:
        Mistake: there is none, it cannot be read, or it is another model's.
    """
    path = Path(path)
    if not path.is_file():
        raise Mistake(
            message("ckpt_path", expected="a checkpoint", received=f"{path}, no file", remedy="Check the path.")
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights = content["state_dict"]
    except Exception as error:  # torch.load raises half a dozen kinds
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        if isinstance(error, pickle.UnpicklingError):  # torch's words advise to load it all the same
            reason = "a file that does not hold weights and plain values alone"
        elif isinstance(error, KeyError):
            reason = f"one without {reason}"
        remedy = "It may be truncated, or no checkpoint at all; take another one, best.ckpt for instance."
        raise Mistake(
            message("ckpt_path", expected=f"{path} to be a checkpoint", received=reason, remedy=remedy)
        ) from error
    if task is not None:
        _require_same_weights(path, weights, task.state_dict())
    return content


def _require_same_weights(path: Path, found: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> None:
    for name in dict.fromkeys([*own, *found]):
        shapes = [list(weights[name].shape) if name in weights else None for weights in (own, found)]
        if shapes[0] != shapes[1]:
            words = [f"'{name}' of shape {shape}" if shape is not None else f"no '{name}'" for shape in shapes]
            remedy = f"{path} is of another model; choose the model, or the experiment, that it was trained with."
            raise Mistake(
                message("ckpt_path", expected=f"a checkpoint with {words[0]}", received=words[1], remedy=remedy)
            )


def _start_folder(folder: Path, config: dict[str, Any]) -> None:
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        # in its own folder a run that goes on is the run that was begun
        kept = config | {"ckpt_path": None} if config["ckpt_path"] == "last" else config
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(kept)))
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(folder: Path, error: OSError) -> Mistake:
    """The error for a folder that cannot be written."""
    remedy = "Choose another with paths.output_dir=FOLDER."
    return Mistake(
        message("paths", expected=f"to write to {folder}", received=error.strerror or str(error), remedy=remedy)
    )


def _fit_and_test(
    config: dict[str, Any], folder: Path, task: Task, data: Data, checkpoint: str | Path | None
) -> RunResult:
    own = [
        Curves(folder, task.metrics),
        Gallery(folder),
        Stopwatch(folder),
        SwapRecord(folder),
        LastCheckpoint(folder),
    ]
    chosen = [hydra.utils.instantiate(c, _convert_="all") for c in (config["callbacks"] or {}).values() if c]
    loggers = [hydra.utils.instantiate(c, _convert_="all") for c in (config["logger"] or {}).values() if c]
    trainer = hydra.utils.instantiate(
        config["trainer"], callbacks=[*chosen, *own], logger=loggers or False, default_root_dir=folder, _convert_="all"
    )
    trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    steps = trainer.global_step
    metrics = {name: float(value) for name, value in trainer.test(task, datamodule=data, verbose=False)[0].items()}
    if trainer.is_global_zero:
        write_json(folder / "metrics.json", metrics)
    return RunResult(folder, "finished", metrics, steps)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lightning turns Ctrl-C into an exit and ignores it ever after; give back what was."""
    main = threading.current_thread() is threading.main_thread()
    previous = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if main:
            signal.signal(signal.SIGINT, previous)


@contextmanager
def _float32(precision: str) -> Iterator[None]:
    """How CUDA multiplies float32: one rule for matrix products and convolutions."""
    cudnn = torch.backends.cudnn
    now = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with cudnn.flags(**now, allow_tf32=precision != "highest"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _calm() -> Iterator[None]:
    """Without Lightning's advice on what was decided here, and its advertisements."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers")
        warnings.filterwarnings("ignore", ".*exists and is not empty")
        warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated")
        try:
            yield
        finally:
            logger.setLevel(level)
