"""What is kept of every run while it goes on: curves, times, and a checkpoint to go on from."""

import csv
import resource
import signal
import statistics
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch

from conceptlab.core.files import write_json
from conceptlab.tasks.exhibits import Exhibit

WARM_UP = 3
"""Steps that are not timed: the first ones allocate."""

MOST_TIMED = 500
"""Steps that are timed; afterwards a CUDA device need not be waited for any more."""


class Table:
    """A CSV file that is written row by row, and cut back where a run goes on from an earlier point."""

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self.path, self.columns = path, list(columns)

    def begin(self, before: int) -> None:
        """Keep the rows that are there and whose step is before ``before``."""
        kept = []
        if before and self.path.exists():
            with self.path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) < before]
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(kept)

    def append(self, rows: Iterable[Iterable[Any]]) -> None:
        """Add rows; numbers are written by `repr`, which loses nothing."""
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerows(
                [repr(value) if isinstance(value, float) else value for value in r] for r in rows
            )


class Curves(L.Callback):
    """``steps.csv`` and ``epochs.csv``.

    Args:
        folder: the run's folder.
        metrics: the names of what a validation measures.
    """

    def __init__(self, folder: Path, metrics: Iterable[str]) -> None:
        self.metrics = [f"val/{name}" for name in metrics]
        self.steps = Table(folder / "steps.csv", ["step", "epoch", "loss", "grad_norm"])
        self.epochs = Table(folder / "epochs.csv", ["epoch", "step", *self.metrics, "lr"])
        self.pending: list[list] = []
        self.loss, self.grad_norm = torch.tensor(0.0), torch.tensor(0.0)

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Take out what lies after the checkpoint."""
        if trainer.is_global_zero:
            self.steps.begin(trainer.global_step)
            self.epochs.begin(trainer.global_step + 1)

    def on_before_backward(self, trainer: L.Trainer, task: L.LightningModule, loss: torch.Tensor) -> None:
        """Keep the loss. Lightning has divided it by the number of batches that make a step."""
        self.loss = loss.detach() * trainer.accumulate_grad_batches

    def on_before_optimizer_step(
        self, trainer: L.Trainer, task: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Take the gradients' norm, and the row."""
        gradients = [p.grad for p in task.parameters() if p.grad is not None]
        self.grad_norm = torch.nn.utils.get_total_norm(gradients)
        # read from the device later: doing so at every step would make it wait
        self.pending.append([trainer.global_step, trainer.current_epoch, self.loss, self.grad_norm])
        if len(self.pending) >= 50:
            self.flush(trainer)

    def on_validation_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Write the epoch's row."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        values = [float(trainer.callback_metrics[name]) for name in self.metrics]
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.epochs.append([[trainer.current_epoch, trainer.global_step, *values, rate]])

    def on_train_epoch_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Write what is pending."""
        self.flush(trainer)

    def on_exception(self, trainer: L.Trainer, task: L.LightningModule, exception: BaseException) -> None:
        """Write what is pending."""
        self.flush(trainer)

    def flush(self, trainer: L.Trainer) -> None:
        """Write the steps that have not been written."""
        if trainer.is_global_zero:
            self.steps.append([step, epoch, float(loss), float(norm)] for step, epoch, loss, norm in self.pending)
        self.pending = []


class Stopwatch(L.Callback):
    """``timing.json``: the median time of forward, backward and optimizer, and the memory that was needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.times: dict[str, list[float]] = {"forward": [], "backward": [], "optimizer": [], "step": []}
        self.marks: dict[str, float] = {}
        self.seen = 0

    def _mark(self, trainer: L.Trainer, name: str) -> None:
        if self.seen < WARM_UP + MOST_TIMED:
            if trainer.strategy.root_device.type == "cuda":
                torch.cuda.synchronize()
            self.marks[name] = time.perf_counter()

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Forget the memory that was needed before."""
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def on_train_batch_start(self, trainer: L.Trainer, task: L.LightningModule, batch: Any, batch_idx: int) -> None:
        """Forward begins."""
        self._mark(trainer, "start")

    def on_before_backward(self, trainer: L.Trainer, task: L.LightningModule, loss: torch.Tensor) -> None:
        """Backward begins."""
        self._mark(trainer, "forward")

    def on_after_backward(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Backward is done."""
        self._mark(trainer, "backward")

    def on_before_optimizer_step(
        self, trainer: L.Trainer, task: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """The optimizer begins."""
        self._mark(trainer, "norm")

    def on_train_batch_end(
        self, trainer: L.Trainer, task: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The step is done."""
        self._mark(trainer, "end")
        self.seen += 1
        marks = self.marks
        if WARM_UP < self.seen <= WARM_UP + MOST_TIMED and "norm" in marks:
            self.times["forward"].append(marks["forward"] - marks["start"])
            self.times["backward"].append(marks["backward"] - marks["forward"])
            self.times["optimizer"].append(marks["end"] - marks["norm"])
            self.times["step"].append(marks["end"] - marks["start"])
        self.marks = {}

    def on_train_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Write the medians."""
        if not trainer.is_global_zero or not self.times["step"]:
            return
        device = trainer.strategy.root_device
        medians: dict[str, Any] = {name: statistics.median(values) for name, values in self.times.items()}
        write_json(
            self.folder / "timing.json",
            medians
            | {
                "steps": len(self.times["step"]),
                "peak_memory": _peak_memory(device),
                "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
                "threads": torch.get_num_threads(),
            },
        )


class SwapRecord(L.Callback):
    """``swap.json``: what was exchanged, what was not and why."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: L.Trainer, task: Any) -> None:
        """Write it; by now the optimizer has been built too."""
        if trainer.is_global_zero:
            write_json(self.folder / "swap.json", {name: _record(report) for name, report in task.reports.items()})


class Gallery(L.Callback):
    """``figures/``: what the task has to show after each validation and after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "figures"

    def on_validation_end(self, trainer: L.Trainer, task: Any) -> None:
        """Keep what there is to see."""
        if not trainer.sanity_checking:
            self._keep(trainer, task.exhibits("val"))

    def on_test_end(self, trainer: L.Trainer, task: Any) -> None:
        """Keep what there is to see."""
        self._keep(trainer, task.exhibits("test"))

    def _keep(self, trainer: L.Trainer, exhibits: Iterable[Exhibit]) -> None:
        # each process makes them, since they may need what the others have; one keeps them
        for exhibit in exhibits:
            if trainer.is_global_zero:
                self.folder.mkdir(exist_ok=True)
                exhibit.write(self.folder)


class LastCheckpoint(L.Callback):
    """``checkpoints/last.ckpt``, replaced as a whole after each epoch, and where Ctrl-C stops the run.

    The first Ctrl-C lets the step finish, so that the state that is saved is one between two steps. The second one
    stops at once, and leaves the checkpoint of the epoch before.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checkpoints" / "last.ckpt"
        self.asked = False
        self.previous: Any = None

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Listen to Ctrl-C."""
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_train_batch_end(
        self, trainer: L.Trainer, task: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, where that was asked for."""
        # the last batch of an epoch is followed by the validation and by the checkpoint of the epoch
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Save, and stop where that was asked for."""
        if not self._stop_if_asked(trainer):
            self._save(trainer)

    def _stop_if_asked(self, trainer: L.Trainer) -> bool:
        asked = self.asked
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            self._save(trainer)
            raise KeyboardInterrupt
        return asked

    def _save(self, trainer: L.Trainer) -> None:
        unfinished = self.path.with_suffix(".unfinished")
        trainer.save_checkpoint(unfinished)
        if trainer.is_global_zero:
            unfinished.replace(self.path)

    def teardown(self, trainer: L.Trainer, task: L.LightningModule, stage: str) -> None:
        """Listen no more."""
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
            self.previous = None


def _record(report: Any) -> dict[str, Any]:
    return {
        "swapped": [asdict(entry) for entry in report.swapped],
        "skipped": [asdict(entry) for entry in report.skipped],
        "notes": list(report.notes),
    }


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
