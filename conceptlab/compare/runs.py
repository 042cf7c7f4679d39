"""Reading run folders: whatever `conceptlab train` left, whether by compare, by a sweep or by hand."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from conceptlab.compare.differences import QUANTITIES
from conceptlab.core.errors import message

MEASURED = "measured.json"
"""What `conceptlab.compare.measure` adds to a run folder."""

FIGURES = "figures"
"""The folder, in a run's, of what its task had to show."""

YARDSTICK = "yardstick"
"""The callback, in a run's configuration, that makes the run a yardstick."""

_EPS = {"64": 2.0**-52, "32": 2.0**-23, "16": 2.0**-10, "bf16": 2.0**-7}


@dataclass(frozen=True)
class Run:
    """One training run, as its folder tells it.

    Attributes:
        folder: where it was read.
        variant: its parts setting in a few words.
        seed: the seed of weights, batches, masks and augmentation.
        config: its whole configuration.
        series: ``step``, ``epoch``, ``loss`` and ``grad_norm`` of every step.
        metrics: the final metrics.
        status: how it ended; ``state`` is ``"finished"`` if it did.
        swap: which parts were exchanged.
        timing: how long a step took, in seconds.
        measured: what was measured apart from training; empty if nothing was.
        exhibits: what its task had to show, as `conceptlab.tasks.exhibits` has it; a text as ``kind`` text.
    """

    folder: Path
    variant: str
    seed: int | None
    config: Mapping[str, Any]
    series: Mapping[str, np.ndarray]
    metrics: Mapping[str, float]
    status: Mapping[str, Any]
    swap: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    exhibits: Sequence[Mapping[str, Any]] = ()

    @property
    def finished(self) -> bool:
        """Whether it came to its end, with something to compare."""
        return self.status.get("state") == "finished" and len(self.series["step"]) > 0

    @property
    def experiment(self) -> str:
        """The name of the experiment."""
        return str(self.config.get("name") or self.folder.parent.name)

    @property
    def seconds(self) -> float | None:
        """From its start to its end, on the clock on the wall."""
        start, end = (self.status.get(key) for key in ("start", "end"))
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() if start and end else None

    @property
    def is_yardstick(self) -> bool:
        """Whether its first weights were moved by one rounding, to show what that does."""
        return YARDSTICK in (self.config.get("callbacks") or {})

    @property
    def eps(self) -> float:
        """The spacing of floating-point numbers at 1, in the lowest precision that the run computed in."""
        return eps_of(str((self.config.get("trainer") or {}).get("precision") or "32-true"))


def eps_of(precision: str) -> float:
    """The spacing of floating-point numbers at 1 in one of Lightning's precisions.

    >>> eps_of("bf16-mixed")
    0.0078125
    """
    return _EPS[precision.split("-")[0]]


def read_runs(folders: Iterable[Path]) -> list[Run]:
    """Every run in the folders, or in folders within them, in the order of their paths.

    Raises:
        FileNotFoundError: a folder does not exist or holds no run.
    """
    runs: list[Run] = []
    for folder in folders:
        found = sorted(path.parent for path in folder.rglob("status.json"))
        if not found:
            raise FileNotFoundError(
                message(
                    "compare --runs",
                    expected="a folder with runs of `conceptlab train` in it (each has a status.json)",
                    received=f"{str(folder)!r}, which {'has none' if folder.is_dir() else 'does not exist'}",
                    remedy="Give the folder of a run, or of a sweep (multirun/…).",
                )
            )
        runs.extend(read_run(path) for path in found)
    return runs


def read_run(folder: Path) -> Run:
    """One run. Files that it did not come to write count as empty."""
    config = yaml.safe_load((folder / "config.yaml").read_text()) if (folder / "config.yaml").exists() else {}
    return Run(
        folder=folder,
        variant=describe(config.get("parts")),
        seed=config.get("seed"),
        config=config,
        series=_read_series(folder / "steps.csv"),
        metrics=_read_json(folder / "metrics.json"),
        status=_read_json(folder / "status.json"),
        swap=_read_json(folder / "swap.json"),
        timing=_read_json(folder / "timing.json"),
        measured=_read_json(folder / MEASURED),
        exhibits=_read_exhibits(folder / FIGURES),
    )


def describe(parts: str | Mapping[str, Any] | None) -> str:
    """A parts setting in a few words.

    >>> describe({"default": "handmade", "convolution": None, "Conv2d": "naive"})
    'handmade, Conv2d=naive'
    >>> describe(None)
    'as built'
    """
    if isinstance(parts, str):
        return parts
    given = {key: value for key, value in (parts or {}).items() if value is not None}
    default = given.pop("default", None)
    return (
        ", ".join([*([default] if default else []), *(f"{key}={value}" for key, value in given.items())]) or "as built"
    )


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _read_exhibits(folder: Path) -> list[dict[str, Any]]:
    drawn = [_read_json(path) for path in sorted(folder.glob("*.json"))]
    texts = [
        {"kind": "text", "name": path.stem, "text": path.read_text(encoding="utf-8")}
        for path in sorted(folder.glob("*.txt"))
    ]
    return [*drawn, *texts]


def _read_series(path: Path) -> dict[str, np.ndarray]:
    text = path.read_text() if path.exists() else ""
    # the last line of a run that was killed may be cut off
    rows = list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))
    whole = {name: np.array([row[name] for row in rows], dtype=np.int64) for name in ("step", "epoch")}
    return whole | {name: np.array([row[name] for row in rows], dtype=np.float64) for name in QUANTITIES}
