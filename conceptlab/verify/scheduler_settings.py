"""The settings in which schedulers are run, and those that torch refuses; PyTorch has no list of them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch.optim import Optimizer, lr_scheduler

Setting = Mapping[str, Any]


def slowly(t: int) -> float:
    """A factor that falls."""
    return 1 / (1 + t / 10)


def in_waves(t: int) -> float:
    """A factor that goes up and down."""
    return 1 + 0.5 * math.sin(t)


def _alone(optimizer: Optimizer) -> list[Any]:
    return [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=8)]


def _in_turn(optimizer: Optimizer) -> list[Any]:
    wave, power = lr_scheduler.CosineAnnealingLR(optimizer, 30), lr_scheduler.ExponentialLR(optimizer, 0.9)
    return [*_alone(optimizer), wave, power, lr_scheduler.StepLR(optimizer, 4)]


_CYCLE = {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 7}
_PHASES = {"three_phase": True, "anneal_strategy": "linear", "base_momentum": [0.8, 0.7]}

SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    "ChainedScheduler": ({"schedulers": _in_turn},),
    "ConstantLR": ({}, {"factor": 0.5, "total_iters": 30}),
    "CosineAnnealingLR": ({"T_max": 30}, {"T_max": 11, "eta_min": 0.001}, {"T_max": 1}),
    "CosineAnnealingWarmRestarts": ({"T_0": 10}, {"T_0": 5, "T_mult": 2, "eta_min": 0.001}),
    "CyclicLR": (_CYCLE, _CYCLE | {"mode": "exp_range", "gamma": 0.99, "cycle_momentum": False}),
    "ExponentialLR": ({"gamma": 0.97}, {"gamma": 1.01}),
    "LambdaLR": ({"lr_lambda": slowly}, {"lr_lambda": [slowly, in_waves]}),
    "LinearLR": ({}, {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 40}, {"end_factor": 0.2}),
    "MultiStepLR": ({"milestones": [3, 11, 11, 40]}, {"milestones": [], "gamma": 0.5}, {"milestones": [90, 1]}),
    "MultiplicativeLR": ({"lr_lambda": slowly}, {"lr_lambda": [slowly, in_waves]}),
    "OneCycleLR": (
        {"max_lr": 0.5, "total_steps": 120},
        {"max_lr": [0.5, 0.2], "epochs": 10, "steps_per_epoch": 12, **_PHASES},
        {"max_lr": 0.5, "total_steps": 100, "cycle_momentum": False, "pct_start": 0.1, "final_div_factor": 10.0},
    ),
    "PolynomialLR": ({}, {"total_iters": 60, "power": 2.0}),
    "ReduceLROnPlateau": (
        {},
        {"patience": 2, "cooldown": 3, "factor": 0.5},
        {"mode": "max", "patience": 4, "threshold": 0.1, "factor": 0.9, "min_lr": [0.07, 0.0]},
        {"mode": "max", "patience": 3, "threshold": 0.0, "factor": 0.9},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.4, "patience": 5, "factor": 0.9, "min_lr": 0.02},
        {"threshold": 0.2, "patience": 3, "factor": 0.9},
        {"threshold": 0.0, "patience": 3, "factor": 0.9},
        {"threshold_mode": "abs", "threshold": 0.05, "patience": 0, "factor": 0.5, "eps": 0.05},
    ),
    "SequentialLR": (
        {"schedulers": _in_turn, "milestones": [10, 45, 80]},
        {"schedulers": _alone, "milestones": []},
    ),
    "StepLR": ({"step_size": 7}, {"step_size": 2, "gamma": 0.9}),
}
"""For each scheduler some of its settings, for an optimizer of two groups."""

NO_OPTIMIZER: Callable[[Optimizer], Any] = lambda _: "no optimizer"  # noqa: E731
"""In the place of an optimizer."""

REFUSED: Mapping[str, tuple[Setting, ...]] = {
    "CosineAnnealingLR": ({"T_max": 10, "last_epoch": 3}, {"T_max": 10, "optimizer": NO_OPTIMIZER}),
    "ExponentialLR": ({"gamma": 0.9, "last_epoch": 3}, {"gamma": 0.9, "optimizer": NO_OPTIMIZER}),
    "LambdaLR": ({"lr_lambda": [slowly]}, {"lr_lambda": slowly, "last_epoch": 3}),
    "LinearLR": ({"start_factor": 0.0}, {"start_factor": 1.5}, {"end_factor": -0.1}, {"end_factor": 1.1}),
    "MultiStepLR": ({"milestones": [3], "last_epoch": 3}, {"milestones": [3], "optimizer": NO_OPTIMIZER}),
    "OneCycleLR": (
        {"max_lr": 0.1},
        {"max_lr": 0.1, "total_steps": 0},
        {"max_lr": 0.1, "epochs": 0, "steps_per_epoch": 3},
        {"max_lr": 0.1, "epochs": 3, "steps_per_epoch": 0},
        {"max_lr": 0.1, "total_steps": 10, "pct_start": 1.5},
        {"max_lr": 0.1, "total_steps": 10, "anneal_strategy": "cubic"},
        {"max_lr": [0.1], "total_steps": 10},
        {"max_lr": 0.1, "total_steps": 10},  # and as many steps too many
        {"max_lr": 0.1, "total_steps": 10, "optimizer": NO_OPTIMIZER},
    ),
    "ReduceLROnPlateau": (
        {"factor": 1.0},
        {"mode": "least"},
        {"threshold_mode": "far"},
        {"min_lr": [0.1]},
        {"optimizer": NO_OPTIMIZER},
    ),
    "SequentialLR": (
        {"schedulers": lambda _: [], "milestones": []},
        {"schedulers": _in_turn, "milestones": [3]},
        {"schedulers": lambda _: ["no scheduler"], "milestones": []},
        {"schedulers": lambda o: [lr_scheduler.ReduceLROnPlateau(o)], "milestones": []},
    ),
    "StepLR": ({"step_size": 3, "last_epoch": 3}, {"step_size": 3, "optimizer": NO_OPTIMIZER}),
}
"""Settings of which torch refuses the construction, or one of the first hundred steps."""
