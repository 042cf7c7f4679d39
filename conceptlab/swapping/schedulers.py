"""Swapping a learning-rate scheduler, in place, and the schedulers that it is made of."""

import inspect
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from conceptlab.core import Choice, Part
from conceptlab.swapping.classes import adds_no_constructor, assign
from conceptlab.swapping.report import SwapReport
from conceptlab.swapping.single import swap_single
from conceptlab.swapping.wanted import Refused, Wanted


def swap_scheduler(scheduler: LRScheduler, wanted: Wanted, report: SwapReport, name: str = "") -> None:
    """Exchange the class of a scheduler, and of each one inside: those of a SequentialLR, for instance."""
    name = name or type(scheduler).__name__
    swap_single(scheduler, name, wanted, report, _perform)
    for number, child in enumerate(vars(scheduler).get("_schedulers", ())):
        if isinstance(child, LRScheduler):
            swap_scheduler(child, wanted, report, f"{name}.{number}")


def _perform(scheduler: Any, part: Part, choice: Choice, report: SwapReport) -> str:
    cls = choice.implementation
    if choice.tier is not None or adds_no_constructor(cls, part.torch):
        way = "tier" if type(scheduler) is cls else "class"
        assign(scheduler, cls, choice.tier, report)
        return way
    _become(scheduler, cls, part, report)
    return "class, with what its constructor sets"


def _become(scheduler: Any, cls: type, part: Part, report: SwapReport) -> None:
    """Give a scheduler the class ``cls``, and what one that is built from its arguments has besides."""
    parameters = list(inspect.signature(part.torch.__init__).parameters.values())[2:]
    kept = {p.name: vars(scheduler)[p.name] for p in parameters if p.name in vars(scheduler)}
    lacking = [p.name for p in parameters if p.default is p.empty and p.name not in kept]
    if lacking:
        raise Refused(f"{cls.__name__} has a constructor of its own, and {part.name} does not keep {lacking[0]}")
    # on an optimizer that is nobody's, since a scheduler begins by setting learning rates
    groups = [{"params": [torch.zeros(1)], "lr": group["lr"]} for group in scheduler.optimizer.param_groups]
    try:
        new = cls(torch.optim.SGD(groups), **{name: value for name, value in kept.items() if name != "last_epoch"})
    except TypeError as error:
        raise Refused(f"{cls.__name__} has not the constructor of {part.home}.{part.name}: {error}") from error
    old_class, old_attributes = type(scheduler), dict(vars(scheduler))

    def undo() -> None:
        scheduler.__class__ = old_class
        for name in vars(scheduler).keys() - old_attributes.keys():
            del scheduler.__dict__[name]

    report.on_undo(undo)
    scheduler.__class__ = cls
    scheduler.__dict__.update({name: value for name, value in vars(new).items() if name not in old_attributes})
