"""Swapping an optimizer, in place: groups, state, hooks and schedulers stay."""

import functools
import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from torch.optim import Optimizer

from conceptlab.core import Choice, Part, message, registry
from conceptlab.swapping.classes import (
    adds_no_constructor,
    assign,
    implementation_of,
    is_as_chosen,
)
from conceptlab.swapping.report import Skipped, Swapped, SwapReport
from conceptlab.swapping.wanted import Refused, Wanted


def swap_optimizer(optimizer: Optimizer, wanted: Wanted, report: SwapReport) -> None:
    """Exchange an optimizer's class."""
    known = registry.classes
    part = next((known[base] for base in type(optimizer).__mro__ if base in known), None)
    choice = wanted.choice(part.name) if part else None
    if part is None or choice is None:
        return
    name = type(optimizer).__name__
    try:
        if choice.implementation is None:
            raise Refused(choice.reason)
        if is_as_chosen(optimizer, type(optimizer), choice):
            report.unchanged += 1
            return
        _refuse_unfit(optimizer, part, known)
        before = implementation_of(optimizer)
        way = _perform(optimizer, part, choice, report)
        report.swapped.append(Swapped(name, part.name, before, choice.label, way))
    except Refused as reason:
        report.skipped.append(Skipped(name, part.name, str(reason)))


def _refuse_unfit(optimizer: Optimizer, part: Part, known: Mapping[type, Part]) -> None:
    cls = type(optimizer)
    if cls not in known:
        raise Refused(f"{cls.__name__} subclasses {part.name}, and may override anything that its step reaches")
    step = vars(optimizer).get("step")
    if step is not None and not _is_of_scheduler(step):
        raise Refused("its step was replaced on the object, so that no class's would be called")


def _perform(optimizer: Optimizer, part: Part, choice: Choice, report: SwapReport) -> str:
    cls = choice.implementation
    report.on_undo(lambda: _settle(optimizer))  # after the class has come back
    if choice.tier is not None or adds_no_constructor(cls, part.torch):
        way = "tier" if type(optimizer) is cls else "class"
        assign(optimizer, cls, choice.tier, report)
    else:
        _become(optimizer, cls, part, report)
        way = "class, with what its constructor sets"
    _settle(optimizer)
    return way


def _become(optimizer: Optimizer, cls: type, part: Part, report: SwapReport) -> None:
    """Give an optimizer the class and the attributes of one that is built from its arguments."""
    names = list(inspect.signature(part.torch.__init__).parameters)[2:]
    try:
        new = cls(
            [{**group} for group in optimizer.param_groups],
            **{name: optimizer.defaults[name] for name in names if name in optimizer.defaults},
        )
    except TypeError as error:
        raise TypeError(
            message(
                f"parts.{part.name}",
                expected=f"a class with the constructor of {part.home}.{part.name}",
                received=f"{cls.__name__}: {error}",
                remedy=f"Give it the arguments params, {', '.join(names)}.",
            )
        ) from error
    old_class, old_attributes = type(optimizer), dict(vars(optimizer))
    groups = [set(group) for group in optimizer.param_groups]

    def undo() -> None:
        optimizer.__class__ = old_class
        added = vars(optimizer).keys() - old_attributes.keys()
        for name in added:
            del optimizer.__dict__[name]
        optimizer.__dict__["defaults"] = old_attributes["defaults"]
        for group, keys in zip(optimizer.param_groups, groups, strict=True):
            for key in group.keys() - keys:
                del group[key]

    report.on_undo(undo)
    optimizer.__class__ = cls
    # what it had stays: its state, and the very groups that schedulers refer to; what the class adds comes to it
    for group, new_group in zip(optimizer.param_groups, new.param_groups, strict=True):
        group.update({key: value for key, value in new_group.items() if key not in group})
    optimizer.__dict__.update({k: v for k, v in vars(new).items() if k not in old_attributes})
    optimizer.defaults = {**new.defaults, **optimizer.defaults}


def _settle(optimizer: Optimizer) -> None:
    """Renew what torch has tied to the old class's ``step``: the wrapper for hooks, and that of a scheduler."""
    optimizer._patch_step_function()
    if "step" in vars(optimizer):
        optimizer.step = _counted(optimizer)  # type: ignore[method-assign]


def _is_of_scheduler(step: Callable) -> bool:
    return getattr(step, "_wrapped_by_lr_sched", False)


def _counted(optimizer: Optimizer) -> Callable:
    """The ``step`` that a scheduler puts into an optimizer, to see that it was called.

    The scheduler's own holds the ``step`` of the class that it met. This one asks for the class at each call.
    """
    reference = weakref.ref(optimizer)

    @functools.wraps(type(optimizer).step)
    def step(*args: Any, **kwargs: Any) -> Any:
        optimizer: Any = reference()
        optimizer._opt_called = True
        return type(optimizer).step(optimizer, *args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    return step
