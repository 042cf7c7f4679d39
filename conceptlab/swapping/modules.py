"""Swapping the layers of a model, and the transforms of a Compose, in place.

A layer becomes another one by the assignment of its class: the only way that keeps hooks, aliases, tied weights, the
optimizer's and DDP's references, deepcopy and saving. It is done where the type *is* torch's class, or one that torch
has generated around it; a subclass may have overridden anything that ``forward`` reaches, and is left alone.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from conceptlab.core import Choice, Part, Parts, message, registry
from conceptlab.core.parts import DEFAULT
from conceptlab.swapping import lazy
from conceptlab.swapping.built import put_in_place
from conceptlab.swapping.classes import (
    adds_no_constructor,
    assign,
    core_class,
    implementation_of,
    is_as_chosen,
)
from conceptlab.swapping.fast_path import leave_fast_paths
from conceptlab.swapping.held import swap_held_functions
from conceptlab.swapping.places import Place, places
from conceptlab.swapping.report import Skipped, Swapped, SwapReport
from conceptlab.swapping.wanted import Refused, Wanted

# files of torch.nn.modules without arithmetic beside that of children, and those of torchvision's v2 with some
_NO_ARITHMETIC = ("container", "flatten", "transformer", "module")
_ARITHMETIC = ("_augment", "_auto_augment", "_color", "_geometry")


def swap_modules(root: Any, wanted: Wanted, report: SwapReport) -> None:
    """Exchange every part inside ``root`` that is wanted."""
    if isinstance(root, torch.jit.ScriptModule):
        raise TypeError(
            message(
                "swap",
                expected="a module of Python code",
                received=f"{root.original_name}, which is scripted",
                remedy="Swap first, and script afterwards.",
            )
        )
    known = registry.classes
    found = [place for place in places(root) if wanted.selects(place.names)]
    for place in found:
        swap_held_functions(place, wanted, report)
        part = _part_of(place.module, known)
        choice = wanted.choice(part.name) if part else None
        if part is None:
            _report_unknown(place, wanted.parts, report)
        elif choice is not None:
            try:
                _exchange(place, part, choice, known, report)
            except Refused as reason:
                report.skipped.append(Skipped(place.name, part.name, str(reason)))
    leave_fast_paths(root, report)


def _part_of(module: Any, known: Mapping[type, Part]) -> Part | None:
    """The part that a module is, or that its class descends from."""
    if isinstance(module, torch.jit.ScriptModule):
        return next((part for part in known.values() if part.name == module.original_name), None)
    cls = lazy.becomes(module) or core_class(type(module))
    return next((known[base] for base in cls.__mro__ if base in known), None)


def _exchange(place: Place, part: Part, choice: Choice, known: Mapping[type, Part], report: SwapReport) -> None:
    module = place.module
    cls = lazy.becomes(module) or core_class(type(module))
    if choice.implementation is None:
        raise Refused(choice.reason)
    if is_as_chosen(module, cls, choice):
        report.unchanged += 1
        return
    _refuse_unfit(module, cls, part, known)
    before = implementation_of(module)
    way = _perform(place, part, choice, report)
    report.swapped.append(Swapped(place.name, part.name, before, choice.label, way))


def _perform(place: Place, part: Part, choice: Choice, report: SwapReport) -> str:
    module, cls = place.module, choice.implementation
    if lazy.becomes(module):
        lazy.assign(module, part, choice, report)
        return "class, once its shape is known"
    if core_class(type(module)) is cls:
        assign(module, cls, choice.tier, report)
        return "tier"
    if choice.tier is not None or adds_no_constructor(cls, part.torch):
        assign(module, cls, choice.tier, report)
        return "class"
    put_in_place(place, part, cls, report)
    return "built anew; attributes set on the old one are lost"


def _refuse_unfit(module: Any, cls: type, part: Part, known: Mapping[type, Part]) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        raise Refused("it is scripted, and its code fixed: swap first, and script afterwards")
    if cls not in known:
        raise Refused(f"{cls.__name__} subclasses {part.name}, and may override anything that its forward reaches")
    if "forward" in vars(module):
        raise Refused("its forward was replaced on the object, so that no class's would be called")


def _report_unknown(place: Place, parts: Parts, report: SwapReport) -> None:
    """Say it where a default was to hold for everything, and torch's own layer remains."""
    cls = core_class(type(place.module))
    if parts.setting.get(DEFAULT, "builtin") != "builtin" and _does_arithmetic(cls):
        report.skipped.append(Skipped(place.name, cls.__name__, "torch's own; conceptlab has no such part (yet)"))


def _does_arithmetic(cls: type) -> bool:
    home, _, file = cls.__module__.rpartition(".")
    if home == "torch.nn.modules":
        return file not in _NO_ARITHMETIC and cls is not nn.Identity
    return home == "torchvision.transforms.v2" and file in _ARITHMETIC
