"""Functions of torch that a module holds as an attribute, as ``TransformerEncoderLayer.activation`` holds F.relu."""

from typing import Any

from conceptlab.core import HeldFunction, held_functions, registry
from conceptlab.swapping.places import Place
from conceptlab.swapping.report import Skipped, Swapped, SwapReport
from conceptlab.swapping.wanted import Wanted


def swap_held_functions(place: Place, wanted: Wanted, report: SwapReport) -> None:
    """Exchange the functions among a module's attributes."""
    for key, function in held_functions(place.module):
        value, (part, _) = vars(place.module)[key], registry.spellings[function]
        choice = wanted.choice(part.name)
        if choice is None:
            continue
        name = f"{place.name}.{key}" if place.name else key
        if choice.implementation is None:
            report.skipped.append(Skipped(name, part.name, choice.reason))
        elif choice.label == _label(value):
            report.unchanged += 1
        else:
            by_hand = HeldFunction(function, choice.tier or choice.implementation)
            _set(place.module, key, function if choice.tier == "builtin" else by_hand, report)
            report.swapped.append(Swapped(name, part.name, _label(value), choice.label, "held function"))


def _set(module: Any, key: str, value: Any, report: SwapReport) -> None:
    before = vars(module)[key]
    report.on_undo(lambda: setattr(module, key, before))
    setattr(module, key, value)


def _label(value: Any) -> str:
    if not isinstance(value, HeldFunction):
        return "builtin"
    choice = value.choice
    return choice if isinstance(choice, str) else f"{choice.__module__}:{choice.__qualname__}"
