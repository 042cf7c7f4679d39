"""From runs to the report: what is in `report.json`, and in the page made from it.

``report.json`` holds plain numbers, strings, lists and dictionaries; a number that is not finite is null. Its keys:

| key | holds |
|---|---|
| ``format`` | 1; raised when a key changes its meaning |
| ``experiment`` | the name of the experiment |
| ``reference`` | the variant that the others are compared with: ``builtin`` if it finished, else the first that did |
| ``variants`` | a list, the reference first; see below |
| ``failed`` | runs that did not finish: ``variant``, ``seed``, ``folder``, ``state``, ``error`` |
| ``conditions`` | a list of pairs, name and value: versions, machine, threads, precision, seeds, … |
| ``configuration`` | the reference's configuration, without ``parts`` |
| ``eps`` | the spacing of numbers at 1 in the runs' precision |
| ``yardsticks`` | runs of the reference after its weights were moved by one rounding, in the form of ``runs`` |

and of each variant:

| key | holds |
|---|---|
| ``name``, ``parts`` | its parts setting in words, and as it was given |
| ``answers`` | ``same``, ``close``, ``fast``: the report's first lines; null for the reference |
| ``kind`` | the verdict over all seeds: ``exact``, ``rounding`` or ``different``; null for the reference |
| ``errors`` | of single steps against float64: ``gradient``, ``evaluation``, ``update``; empty if not measured |
| ``error_ratios`` | the same as multiples of the reference's; see `conceptlab.compare.errors` |
| ``batches_apart`` | the largest relative difference between its batches and the reference's |
| ``doubts`` | what in these measurements is more than rounding, in words |
| ``runs`` | a list, one for each seed; see below |
| ``metrics`` | the final metrics by name; see below |
| ``step_ms`` | ``median``, ``low``, ``high`` (quartiles), ``ratio`` to the reference, ``interleaved``: in turns |
| ``peak_bytes`` | the most memory that tensors held during one training step |
| ``where`` | where a step's time goes: a list of ``name``, ``calls``, ``forward_ms``, ``backward_ms`` |
| ``exhibits`` | what the task had to show, of the first seed; see `conceptlab.tasks.exhibits` |
| ``proof`` | ``swap`` (what was exchanged), ``audit`` and ``classes`` (the layers' classes and how many there are) |

A run has ``seed``, ``folder``, ``seconds``, ``metrics``, ``series`` (``step``, ``epoch``, ``loss`` and ``grad_norm``,
a number for each step) and, if the reference has a run of the same seed, ``relative``, the difference of loss and
gradient norm at every step, and ``verdict``, as `conceptlab.compare.differences.Verdict` says it.

A metric has ``mean``, ``low``, ``high``, ``std`` (null for one seed) over the ``seeds``, ``gap`` to the reference's
mean and ``seeds_apart``, how far apart the seeds are among themselves (null for one seed).
"""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conceptlab.compare import words
from conceptlab.compare.differences import QUANTITIES, judge, judge_errors, ratios, relative_difference
from conceptlab.compare.runs import Run
from conceptlab.core.errors import message

FORMAT = 1
PAGE = "report.html"


def write_report(runs: Sequence[Run], folder: Path) -> dict[str, Any]:
    """Write ``report.html`` and ``report.json`` into ``folder``; what the latter holds.

    Raises:
        ValueError: none of the runs finished.
    """
    from conceptlab.compare.page import render  # imports matplotlib, for which a mistake need not wait

    report = build(runs)
    (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    (folder / PAGE).write_text(render(report), encoding="utf-8")
    return report


def build(runs: Sequence[Run]) -> dict[str, Any]:
    """The report as plain numbers, strings, lists and dictionaries.

    Raises:
        ValueError: none of the runs finished.
    """
    groups = _variants(runs)
    if not groups:
        raise ValueError(
            message(
                "compare",
                expected="at least one run that finished",
                received=f"{len(runs)}, of which none did",
                remedy="See the status.json in the folders of the runs.",
            )
        )
    reference = next(iter(groups.values()))
    by_seed = {run.seed: run for run in reference}
    variants = [_variant(group, by_seed) for group in groups.values()]
    for variant in variants[1:]:
        _set_against(variant, variants[0], reference[0].eps)
        variant["answers"] = words.answers(variant, variants[0])
    report = {
        "format": FORMAT,
        "experiment": reference[0].experiment,
        "reference": reference[0].variant,
        "variants": variants,
        "failed": [_failure(run) for run in runs if not run.finished and not run.is_yardstick],
        "yardsticks": [_run(run, by_seed) for run in runs if run.is_yardstick and run.finished and run.seed in by_seed],
        "eps": reference[0].eps,
        "conditions": _conditions(reference[0], runs),
        "configuration": {key: value for key, value in reference[0].config.items() if key != "parts"},
    }
    return _plain(report)


def reference_of(runs: Sequence[Run]) -> Run:
    """The run that the others are compared with: the first one on torch's own parts, else the first."""
    return next((run for run in runs if run.variant == "builtin"), runs[0])


def _variants(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs that finished, by variant, the reference first."""
    finished = [run for run in runs if run.finished and not run.is_yardstick]
    groups: dict[str, list[Run]] = {reference_of(finished).variant: []} if finished else {}
    for run in finished:
        groups.setdefault(run.variant, []).append(run)
    return groups


def _variant(group: Sequence[Run], reference: Mapping[Any, Run]) -> dict[str, Any]:
    measured = next((run.measured for run in group if run.measured), {})
    return {
        "name": group[0].variant,
        "parts": group[0].config.get("parts"),
        "answers": None,
        "runs": [_run(run, reference) for run in group],
        "metrics": {name: _spread([run.metrics[name] for run in group]) for name in _common(r.metrics for r in group)},
        "step_ms": (measured.get("step_ms") or _step_time_in_training(group)) | {"ratio": None},
        "peak_bytes": measured.get("peak_bytes"),
        "where": measured.get("where", []),
        "errors": measured.get("errors", {}),
        "error_ratios": {},
        "batches_apart": measured.get("batches_apart"),
        "doubts": [],
        "kind": None,
        "exhibits": list(group[0].exhibits),
        "proof": {"swap": group[0].swap, "classes": measured.get("classes", {}), "audit": measured.get("audit")},
    }


def _run(run: Run, reference: Mapping[Any, Run]) -> dict[str, Any]:
    twin = reference.get(run.seed)
    told = {
        "seed": run.seed,
        "folder": str(run.folder),
        "series": run.series,
        "metrics": run.metrics,
        "seconds": run.seconds,
        "relative": None,
        "verdict": None,
    }
    if twin is None or twin is run:
        return told
    relative = relative_differences(run, twin)
    verdict = judge(
        relative,
        run.series["step"][: len(relative["loss"])],
        eps=max(run.eps, twin.eps),
        same_metrics=run.metrics == twin.metrics and len(run.series["step"]) == len(twin.series["step"]),
    )
    return told | {"relative": relative, "verdict": verdict.plain()}


def relative_differences(run: Run, other: Run) -> dict[str, np.ndarray]:
    """The relative difference of each quantity, at the steps that both runs have."""
    steps = min(len(run.series["step"]), len(other.series["step"]))
    return {name: relative_difference(run.series[name][:steps], other.series[name][:steps]) for name in QUANTITIES}


def _set_against(variant: dict[str, Any], reference: Mapping[str, Any], eps: float) -> None:
    """Add what needs the reference: the verdict over all seeds, gaps and ratios."""
    variant["error_ratios"] = ratios(variant["errors"], reference["errors"], eps)
    variant["doubts"] = judge_errors(variant["error_ratios"], variant["batches_apart"], eps)
    kinds = [run["verdict"]["kind"] for run in variant["runs"] if run["verdict"]]
    if variant["doubts"]:
        kinds.append("different")
    variant["kind"] = max(kinds, key=("exact", "rounding", "different").index) if kinds else None
    variant["step_ms"]["ratio"] = _ratio(variant["step_ms"]["median"], reference["step_ms"]["median"])
    for name in _common([variant["metrics"], reference["metrics"]]):
        ours, theirs = variant["metrics"][name], reference["metrics"][name]
        ours["gap"] = ours["mean"] - theirs["mean"]
        if min(ours["seeds"], theirs["seeds"]) > 1:
            ours["seeds_apart"] = max(ours["high"] - ours["low"], theirs["high"] - theirs["low"])


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "low": min(values),
        "high": max(values),
        "seeds": len(values),
        "gap": None,
        "seeds_apart": None,
    }


def _step_time_in_training(group: Sequence[Run]) -> dict[str, Any]:
    """Of the trainings themselves, one after the other: the fallback where nothing was measured apart."""
    times = [1000 * run.timing["step"] for run in group if run.timing.get("step")]
    median = statistics.median(times) if times else None
    return {"median": median, "low": None, "high": None, "interleaved": False}


def _failure(run: Run) -> dict[str, Any]:
    state = run.status.get("state", "unknown")
    error = run.status.get("error") or ("" if len(run.series["step"]) else "it logged no step")
    return {"variant": run.variant, "seed": run.seed, "folder": str(run.folder), "state": state, "error": error}


def _conditions(reference: Run, runs: Sequence[Run]) -> list[tuple[str, Any]]:
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    trainer = reference.config.get("trainer") or {}
    measured = reference.measured.get("conditions") or {
        "device": reference.timing.get("device"),
        "threads": reference.timing.get("threads"),
    }
    return [
        ("seeds", ", ".join(map(str, seeds))),
        ("steps", len(reference.series["step"])),
        ("precision", trainer.get("precision")),
        *((name, value) for name, value in measured.items() if value is not None),
        ("started", reference.status.get("start")),
    ]


def _common(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys that all have, in the first one's order."""
    first, *others = mappings
    return [key for key in first if all(key in other for other in others)]


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def _plain(value: Any) -> Any:
    """Arrays as lists, numbers that are not finite as None: what JSON can say."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
