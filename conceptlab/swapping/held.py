"""Functions of torch that a module holds as an attribute, as ``TransformerEncoderLayer.activation`` holds F.relu."""

from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import Any

from conceptlab.core import registry
from conceptlab.swapping.places import Place
from conceptlab.swapping.report import Skipped, Swapped, SwapReport
from conceptlab.swapping.wanted import Wanted


class HeldFunction:
    """Stands where a module held one of torch's functions. It can be copied, saved and compiled.

    Attributes:
        torch: torch's function.
        choice: the tier, or the user's function, that answers in its place.
    """

    def __init__(self, torch: Callable, choice: str | Callable) -> None:
        self.torch = torch
        self.choice = choice
        part, self._adapter = registry.spellings[torch]
        self._implementation = part.tiers[choice] if isinstance(choice, str) else choice

    def __reduce__(self) -> tuple[Callable, tuple]:
        return HeldFunction, (self.torch, self.choice)

    def __repr__(self) -> str:
        return f"<{registry.spellings[self.torch][0].name}, {self.choice}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._adapter is None:
            return self._implementation(*args, **kwargs)
        return self._adapter(self._implementation, *args, **kwargs)


def swap_held_functions(place: Place, wanted: Wanted, report: SwapReport) -> None:
    """Exchange the functions among a module's attributes."""
    for key, value in list(vars(place.module).items()):
        function = value.torch if isinstance(value, HeldFunction) else value
        if not isinstance(function, FunctionType | BuiltinFunctionType | MethodDescriptorType):
            continue
        if function not in registry.spellings:
            continue
        part, _ = registry.spellings[function]
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
