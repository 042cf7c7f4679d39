"""Swapping an object that is a part by itself and holds no others: an optimizer, a scheduler."""

from collections.abc import Callable
from typing import Any

from conceptlab.core import Choice, Part, registry
from conceptlab.swapping.classes import implementation_of, is_as_chosen
from conceptlab.swapping.report import Skipped, Swapped, SwapReport
from conceptlab.swapping.wanted import Refused, Wanted


def swap_single(
    target: Any, name: str, wanted: Wanted, report: SwapReport, perform: Callable[[Any, Part, Choice, SwapReport], str]
) -> None:
    """Exchange an object's class, as ``perform`` does it, which returns in which way; it may raise `Refused`."""
    known, cls = registry.classes, type(target)
    part = next((known[base] for base in cls.__mro__ if base in known), None)
    choice = wanted.choice(part.name) if part else None
    if part is None or choice is None:
        return
    try:
        if choice.implementation is None:
            raise Refused(choice.reason)
        if is_as_chosen(target, cls, choice):
            report.unchanged += 1
            return
        if cls not in known:
            raise Refused(f"{cls.__name__} subclasses {part.name}, and may override anything that its step reaches")
        before = implementation_of(target)
        way = perform(target, part, choice, report)
        report.swapped.append(Swapped(name, part.name, before, choice.label, way))
    except Refused as reason:
        report.skipped.append(Skipped(name, part.name, str(reason)))
