"""What training itself does not tell: measured on the models of runs, and written beside each as ``measured.json``.

| key | holds |
|---|---|
| ``step_ms`` | forward, backward and optimizer of a step: ``median``, ``low`` and ``high`` quartile, ``interleaved`` |
| ``where`` | a row for each concept: ``name``, ``calls``, ``forward_ms``, ``backward_ms`` |
| ``peak_bytes`` | the most memory that tensors held during a step, beyond what they held before it |
| ``gradient_error`` | of the first step: $\\|g - g_{64}\\| / \\|g_{64}\\|$ with $g_{64}$ of the reference in float64 |
| ``classes`` | the layers' classes, and how many there are of each |
| ``audit`` | the operations that the layers are made of |
| ``conditions`` | versions, machine, device, threads |

The variants take turns, A B A B, in one process and one thread: what else the machine does meets all of them alike.
"""

import json
import platform
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import lightning
import torch
import torchvision
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

import conceptlab
from conceptlab.compare.runs import MEASURED
from conceptlab.compare.stopwatch import Stopwatch, clock, layers, peak_bytes
from conceptlab.core import Tiered
from conceptlab.tasks.run import build

WARM_UP = 3
STEPS = 60
BATCHES = 8
BUDGET = 8.0
"""Seconds for the timing of all variants together; slow models get fewer steps."""

LOADING = "batches, augmentation"


class Subject:
    """A variant's model, its optimizer and its first batches, as its run had them."""

    def __init__(self, config: DictConfig, dtype: torch.dtype | None = None) -> None:
        self.task, data = build(config)
        precision = str(OmegaConf.select(config, "trainer.precision", default="32-true"))
        on_gpu = OmegaConf.select(config, "trainer.accelerator", default="cpu") in ("gpu", "cuda")
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self.dtype = dtype or (torch.float64 if precision.startswith("64") else torch.float32)
        self.mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision) if not dtype else None
        self.task.to(self.device, self.dtype).train()
        self.optimizer = self.task.configure_optimizers()["optimizer"]
        data.prepare_data()
        data.setup()
        self.loading: list[float] = []
        self.batches = [self._moved(batch) for batch in self._timed(data.train_dataloader())]

    def forward(self, index: int) -> Tensor:
        """The loss of a batch; the same random numbers for the same index."""
        torch.manual_seed(index)
        with self._precision():
            return self.task.step(self.batches[index % len(self.batches)])[0]

    def update(self) -> None:
        """The optimizer's part of a step."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def step(self, index: int) -> None:
        """A whole training step."""
        self.forward(index).backward()
        self.update()

    def gradient(self) -> Tensor:
        """All gradients of the first step, as one vector."""
        self.forward(0).backward()
        flat = [
            p.grad.detach().to("cpu", torch.float64).flatten() for p in self.task.parameters() if p.grad is not None
        ]
        self.optimizer.zero_grad()
        return torch.cat(flat)

    def _precision(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, self.mixed) if self.mixed else nullcontext()

    def _timed(self, loader: Any) -> Any:
        batches = islice(loader, BATCHES)
        while True:
            start = time.thread_time()
            batch = next(batches, None)
            if batch is None:
                return
            self.loading.append(1000 * (time.thread_time() - start))
            yield batch

    def _moved(self, batch: Sequence[Tensor]) -> list[Tensor]:
        return [t.to(self.device, self.dtype if t.is_floating_point() else None) for t in batch]


def measure(folders: Sequence[Path]) -> None:
    """Measure the models of runs against each other, the reference's first, and write it into their folders."""
    threads = torch.get_num_threads()
    state = torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        configs = [OmegaConf.load(folder / "config.yaml") for folder in folders]
        subjects = [Subject(config) for config in configs]
        errors = _gradient_errors(subjects, Subject(configs[0], torch.float64))
        results = [_structure(subject) | {"gradient_error": e} for subject, e in zip(subjects, errors, strict=True)]
        for result, times, table in zip(results, step_times(subjects), _where(subjects), strict=True):
            result["step_ms"] = times
            result["where"] = table
        for result, subject in zip(results, subjects, strict=True):
            result["peak_bytes"] = peak_bytes(lambda subject=subject: subject.step(0))
            result["conditions"] = conditions(subject.device, threads)
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
    for folder, result in zip(folders, results, strict=True):
        (folder / MEASURED).write_text(json.dumps(result, indent=1) + "\n")


def step_times(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Median and quartiles of a step, in milliseconds, the subjects taking turns."""
    times: list[list[float]] = [[] for _ in subjects]
    end = time.monotonic() + BUDGET
    for index in range(WARM_UP + STEPS):
        for subject, own in zip(subjects, times, strict=True):
            start = clock(subject.device)
            subject.step(index)
            own.append(1000 * (clock(subject.device) - start))
        if time.monotonic() > end and index >= WARM_UP + 3:
            break
    summaries = []
    for own in times:
        low, middle, high = statistics.quantiles(own[WARM_UP:], n=4)
        summaries.append({"median": middle, "low": low, "high": high, "ratio": None, "interleaved": True})
    return summaries


def _where(subjects: Sequence[Subject]) -> list[list[dict[str, Any]]]:
    watches = [Stopwatch(subject.task, subject.device) for subject in subjects]
    end = time.monotonic() + BUDGET / 2
    for index in range(STEPS // 3):
        for subject, watch in zip(subjects, watches, strict=True):
            with watch.running():
                watch.step(lambda s=subject, i=index: s.forward(i), subject.update)
        if time.monotonic() > end and index >= 2:
            break
    return [
        [*watch.table(), {"name": LOADING, "calls": 1, "forward_ms": statistics.median(s.loading), "backward_ms": 0.0}]
        for watch, s in zip(watches, subjects, strict=True)
    ]


def _gradient_errors(subjects: Sequence[Subject], oracle: Subject) -> list[float | None]:
    exact = oracle.gradient()
    size = exact.norm().item()
    errors = [(subject.gradient() - exact).norm().item() / size if size else None for subject in subjects]
    # where the reference itself is nowhere near, its masks fell otherwise in float64: then nothing can be said
    return errors if errors[0] is not None and errors[0] < 0.05 else [None] * len(errors)


def _structure(subject: Subject) -> dict[str, Any]:
    found = Counter(class_of(layer) for layer in layers(subject.task))
    return {"classes": dict(found) | {class_of(subject.optimizer): 1}, "audit": None}


def class_of(part: object) -> str:
    """The class's import path, and its tier if it has one."""
    path = f"{type(part).__module__}.{type(part).__qualname__}"
    return f"{path} ({part.tier})" if isinstance(part, Tiered) else path


def conditions(device: torch.device, threads: int) -> dict[str, str]:
    """What the figures depend on besides the code."""
    packages = (conceptlab, torch, torchvision, lightning)
    versions = [*(f"{package.__name__} {package.__version__}" for package in packages), f"Python {platform.python_version()}"]
    return {
        "versions": ", ".join(versions),
        "machine": f"{platform.platform()}, {_processor()}",
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": f"{threads} in training, 1 in the measurements",
        "float32 products": torch.get_float32_matmul_precision(),
    }


def _processor() -> str:
    """The processor's name where Linux tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} × {len(names)}" if names else platform.machine()
