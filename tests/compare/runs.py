"""Run folders as `conceptlab train` writes them, made up."""

import csv
import json
from pathlib import Path

import numpy as np
import yaml

STEPS = 40


def curve(seed=1, steps=STEPS):
    """A loss that falls, with the noise of batches."""
    noise = np.random.default_rng(seed).normal(size=steps)
    return 2.3 * np.exp(-np.arange(steps) / 15) * (1 + 0.1 * noise) + 0.05


def rounding(seed, scale=1.0, steps=STEPS):
    """Factors that move a curve as rounding does: an epsilon at the start, a hundred times as much at the end."""
    noise = np.random.default_rng(seed).normal(size=steps)
    return 1 + scale * 1.2e-7 * noise * np.geomspace(1, 100, steps)


def swapped(name, part, tier):
    """One exchange."""
    return {"name": name, "part": part, "before": "builtin", "after": str(tier), "way": "class"}


def make_run(
    folder: Path,
    parts="builtin",
    *,
    seed=1,
    factors=1.0,
    accuracy=0.9912,
    state="finished",
    error=None,
    measured=None,
    yardstick=False,
    precision="32-true",
    steps=STEPS,
    exhibits=(),
):
    """Write one run folder; ``factors`` multiply its curves."""
    folder.mkdir(parents=True)
    loss = curve(seed, steps) * factors
    config = {
        "name": "digits_cnn",
        "seed": seed,
        "parts": {"default": parts} if isinstance(parts, str) else parts,
        "trainer": {"precision": precision, "max_epochs": 2},
        "callbacks": {"yardstick": {"_target_": "…"}} if yardstick else None,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with (folder / "steps.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "epoch", "loss", "grad_norm"])
        rows.writerows([t, t // 20, repr(float(v)), repr(float(3 * v))] for t, v in enumerate(loss))
    files = {
        "status.json": {
            "state": state,
            "error": error,
            "start": "2026-01-02T03:04:05+00:00",
            "end": "2026-01-02T03:04:15.500000+00:00",
        },
        "metrics.json": {"test/accuracy": accuracy, "test/loss": float(loss[-1])} if state == "finished" else {},
        "swap.json": {
            "model": {
                "swapped": [swapped(f"{layer}", "Conv2d", parts) for layer in (0, 3)],
                "skipped": [{"name": "6", "part": "Linear", "reason": "a subclass"}],
                "notes": [],
            },
            "optimizer": {"swapped": [swapped("", "Adam", parts)], "skipped": [], "notes": ["by class"]},
        },
        "timing.json": {"step": 0.006 if parts == "builtin" else 0.008, "device": "cpu", "threads": 1},
    }
    if measured:
        files["measured.json"] = measured
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    for exhibit in exhibits:
        (folder / "figures").mkdir(exist_ok=True)
        exhibit.write(folder / "figures")
    return folder


def measured(factor=1.0, error=3e-7, batches_apart=0.0):
    """What was measured apart from training."""
    return {
        "step_ms": {"median": 6.2 * factor, "low": 6.0 * factor, "high": 6.5 * factor, "interleaved": True},
        "peak_bytes": int(3.2e6 * factor),
        "where": [
            {"name": "convolution", "calls": 3, "forward_ms": 1.5 * factor, "backward_ms": 2.1 * factor},
            {"name": "normalization", "calls": 3, "forward_ms": 0.5, "backward_ms": 0.7},
            {"name": "optimizer", "calls": 1, "forward_ms": 0.4, "backward_ms": 0.0},
        ],
        "errors": {"gradient": 3e-7, "evaluation": 2e-7, "update": error},
        "batches_apart": batches_apart,
        "classes": {"torch.nn.Conv2d": 3, "torch.nn.BatchNorm2d": 3},
        "audit": None,
        "conditions": {"versions": "torch 2.11.0", "machine": "Linux", "device": "cpu", "threads": "1"},
    }
