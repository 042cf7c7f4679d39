"""What training itself does not tell: measured on the models of runs, and written beside each as ``measured.json``.

| key | holds |
|---|---|
| ``step_ms`` | forward, backward and optimizer of a step: ``median``, ``low`` and ``high`` quartile, ``interleaved`` |
| ``where`` | a row for each concept: ``name``, ``calls``, ``forward_ms``, ``backward_ms`` |
| ``peak_bytes`` | the most memory that tensors held during a step, beyond what they held before it |
| ``errors`` | of one step against float64: ``gradient``, ``evaluation``, ``update``; see `conceptlab.compare.errors` |
| ``batches_apart`` | the largest relative difference between its batches and the reference's |
| ``classes`` | the layers' classes, and how many there are of each |
| ``audit`` | of model and loss: ``sentence``, ``by_hand`` (how many), ``torchs_own`` (a list), all of it as ``text`` |
| ``conditions`` | versions, machine, device, threads |

The variants take turns, A B A B, in one process and one thread: what else the machine does meets all of them alike.
"""

import json
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import lightning
import torch
import torchvision
import yaml
from omegaconf import OmegaConf

import conceptlab
from conceptlab.bench.stopwatch import turns
from conceptlab.compare.errors import batches_apart, errors
from conceptlab.compare.runs import MEASURED
from conceptlab.compare.stopwatch import Stopwatch, layers
from conceptlab.compare.subject import Subject
from conceptlab.core import Tiered
from conceptlab.swapping.audit import AuditReport, audit
from conceptlab.verify.memory import peak_bytes

WARM_UP = 3
STEPS = 60
BUDGET = 8.0
"""Seconds for the timing of all variants together; slow models get fewer steps."""

LOADING = "batches, augmentation"


def measure(folders: Sequence[Path]) -> None:
    """Measure the models of runs against each other, the reference's first, and write it into their folders."""
    threads = torch.get_num_threads()
    state = torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        configs = [OmegaConf.create(yaml.safe_load((folder / "config.yaml").read_text())) for folder in folders]
        subjects = [Subject(config) for config in configs]
        oracle = Subject(configs[0], torch.float64)
        results = [_structure(subject) for subject in subjects]
        for result, found, subject in zip(results, errors(subjects, oracle), subjects, strict=True):
            result["errors"] = found
            result["batches_apart"] = batches_apart(subject, subjects[0])
        for result, times, table in zip(results, step_times(subjects), _where(subjects), strict=True):
            result["step_ms"] = times
            result["where"] = table
        for result, subject in zip(results, subjects, strict=True):
            result["peak_bytes"] = peak_bytes(partial(subject.step, 0), subject.device)
            result["conditions"] = conditions(subject.device, threads)
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
    for folder, result in zip(folders, results, strict=True):
        (folder / MEASURED).write_text(json.dumps(result, indent=1) + "\n")


def step_times(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """Median and quartiles of a step, in milliseconds, the subjects taking turns."""
    rounds: list[list[float]] = []
    end = time.monotonic() + BUDGET
    taking_turns = turns([_stepping(subject) for subject in subjects], shortest=0, device=subjects[0].device)
    for seconds in islice(taking_turns, WARM_UP + STEPS):
        rounds.append([1000 * duration for duration in seconds])
        if time.monotonic() > end and len(rounds) > WARM_UP + 3:
            break
    summaries = []
    for own in zip(*rounds[WARM_UP:], strict=True):
        low, middle, high = statistics.quantiles(own, n=4)
        summaries.append({"median": middle, "low": low, "high": high, "interleaved": True})
    return summaries


def _stepping(subject: Subject) -> Callable[[], None]:
    """One step at each call, each on the batch after the last one's."""
    numbers = count()
    return lambda: subject.step(next(numbers))


def _where(subjects: Sequence[Subject]) -> list[list[dict[str, Any]]]:
    watches = [Stopwatch(subject.task, subject.device) for subject in subjects]
    end = time.monotonic() + BUDGET / 2
    for index in range(STEPS // 3):
        for subject, watch in zip(subjects, watches, strict=True):
            with watch.running():
                watch.step(partial(subject.forward, index), subject.update)
        if time.monotonic() > end and index >= 2:
            break
    return [
        [*watch.table(), {"name": LOADING, "calls": 1, "forward_ms": statistics.median(s.loading), "backward_ms": 0.0}]
        for watch, s in zip(watches, subjects, strict=True)
    ]


def _structure(subject: Subject) -> dict[str, Any]:
    found = Counter(class_of(layer) for layer in layers(subject.task))
    return {"classes": dict(found) | {class_of(subject.optimizer): 1}, "audit": _audit(subject)}


def _audit(subject: Subject) -> dict[str, Any]:
    """What the model and the loss are made of, forward and backward, in training."""
    task, batch = subject.task, subject.batches[0]
    given = task.given(batch)
    answers = task.model(*given).detach().requires_grad_()
    loss_rows = audit(task.loss, *task.judged(answers, batch)).rows
    of_loss = [replace(row, name=f"loss {row.name}".strip()) for row in loss_rows]
    report = AuditReport([*audit(task.model, *given).rows, *of_loss])
    own: list[dict[str, Any]] = [
        {"name": row.name, "what": row.what, "operations": row.foreign} for row in report.leaks
    ]
    by_hand = sum(row.tier not in (None, "builtin") and not row.is_leak for row in report.rows)
    if own:
        names = ", ".join(sorted({leak["what"] for leak in own}))
        sentence = f"{by_hand} layers and functions ran by hand, {len(own)} as torch's own: {names}."
    else:
        sentence = f"{by_hand} layers and functions ran by hand, none as torch's own, forward or backward."
    return {"sentence": sentence, "by_hand": by_hand, "torchs_own": own, "text": str(report)}


def class_of(part: object) -> str:
    """The class's import path, and its tier if it has one."""
    path = f"{type(part).__module__}.{type(part).__qualname__}"
    return f"{path} ({part.tier})" if isinstance(part, Tiered) else path


def conditions(device: torch.device, threads: int) -> dict[str, str]:
    """What the figures depend on besides the code."""
    packages = (conceptlab, torch, torchvision, lightning)
    versions = [
        *(f"{package.__name__} {package.__version__}" for package in packages),
        f"Python {platform.python_version()}",
    ]
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
