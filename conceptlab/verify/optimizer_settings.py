"""The settings in which optimizers are run: PyTorch's, and one in which every term takes part."""

from collections.abc import Iterator, Mapping
from typing import Any

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.target import Target

PROGRAMS = ("foreach", "fused", "differentiable", "capturable")
"""Arguments that choose between torch's programs of one formula; somebody's own may do without."""

_ADAM = {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True}

EVERY_TERM: Mapping[str, Mapping[str, Any]] = {
    "ASGD": {"lr": 0.05, "weight_decay": 0.1, "lambd": 0.01, "t0": 2.0},
    "Adadelta": {"lr": 0.5, "weight_decay": 0.1},
    "Adafactor": {"lr": 0.05, "weight_decay": 0.1},
    "Adagrad": {"lr": 0.05, "weight_decay": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1},
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "Adamax": {"lr": 0.05, "weight_decay": 0.1},
    "LBFGS": {"lr": 0.5, "max_iter": 4, "history_size": 3, "line_search_fn": "strong_wolfe"},
    "Muon": {"lr": 0.05, "weight_decay": 0.1, "momentum": 0.9},
    "NAdam": {"lr": 0.05, "weight_decay": 0.1, "momentum_decay": 0.01, "decoupled_weight_decay": True},
    "RAdam": {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    "RMSprop": {"lr": 0.05, "weight_decay": 0.1, "momentum": 0.9, "centered": True},
    "Rprop": {"lr": 0.05},
    "SGD": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "SparseAdam": {"lr": 0.05},
}
"""For each optimizer a setting in which every term takes part."""


def every_term(target: Target) -> Sample:
    """The setting in which every term takes part."""
    return Sample("every-term", init_kwargs=EVERY_TERM.get(target.part.name, {}))


def settings_of(target: Target) -> Iterator[Sample]:
    """PyTorch's settings, in each of torch's programs."""
    yield every_term(target)
    yield from torch_samples.optimizer_samples(target.part, target.device)


def plain_settings(target: Target) -> list[Sample]:
    """PyTorch's settings that choose no program."""
    return [s for s in settings_of(target) if not any(s.init_kwargs.get(program) for program in PROGRAMS)]
