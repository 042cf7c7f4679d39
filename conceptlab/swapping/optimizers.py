"""Swapping an optimizer, in place."""

import functools
import weakref
from typing import Any

from torch.optim import Optimizer

from conceptlab.core import Parts
from conceptlab.swapping.modules import assign, parts_by_class, tier_of
from conceptlab.swapping.report import SwapReport, Swapped


def swap_optimizer(optimizer: Optimizer, parts: Parts, report: SwapReport) -> None:
    part = parts_by_class("optim").get(type(optimizer))
    choice = parts[part.name] if part else None
    if choice is None or choice.implementation is None:
        return
    before = tier_of(optimizer)
    if before == choice.label:
        report.unchanged += 1
        return
    report.on_undo(lambda: _settle(optimizer))
    assign(optimizer, choice.implementation, choice.tier, report)
    _settle(optimizer)
    report.swapped.append(Swapped(type(optimizer).__name__, part.name, before, choice.label, "class"))


def _settle(optimizer: Optimizer) -> None:
    optimizer._patch_step_function()
    if "step" in vars(optimizer):
        del optimizer.step
        optimizer.step = _tracked(optimizer)


def _tracked(optimizer: Optimizer) -> Any:
    reference = weakref.ref(optimizer)

    @functools.wraps(type(optimizer).step)
    def step(*args: Any, **kwargs: Any) -> Any:
        optimizer = reference()
        optimizer._opt_called = True
        return type(optimizer).step(optimizer, *args, **kwargs)

    step._wrapped_by_lr_sched = True
    return step
