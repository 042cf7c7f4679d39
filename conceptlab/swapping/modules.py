"""Swapping the layers of a model, in place."""

from torch import nn

from conceptlab.core import Part, Parts, Tiered, registry
from conceptlab.swapping.report import SwapReport, Swapped


def swap_modules(root: nn.Module, parts: Parts, report: SwapReport) -> None:
    known = parts_by_class("nn")
    for name, module in root.named_modules():
        part = known.get(type(module))
        choice = parts[part.name] if part else None
        if choice is None or choice.implementation is None:
            continue
        before = tier_of(module)
        if before == choice.label:
            report.unchanged += 1
            continue
        assign(module, choice.implementation, choice.tier, report)
        report.swapped.append(Swapped(name, part.name, before, choice.label, "class"))


def parts_by_class(family: str) -> dict[type, Part]:
    known = {}
    for part in registry.parts.values():
        if part.is_class:
            known |= {cls: part for cls in (part.torch, *part.tiers.values())}
    return known


def tier_of(target: object) -> str:
    return target.tier if isinstance(target, Tiered) else "builtin"


def assign(target: object, cls: type, tier: str, report: SwapReport) -> None:
    before, ops = type(target), vars(target).get("ops")

    def undo() -> None:
        target.__class__ = before
        target.__dict__.pop("ops", None)
        if ops is not None:
            target.__dict__["ops"] = ops

    report.on_undo(undo)
    target.__class__ = cls
    if isinstance(target, Tiered):
        target.tier = tier
    else:
        target.__dict__.pop("ops", None)
