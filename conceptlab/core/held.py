"""A function of torch's that an object holds, as ``TransformerEncoderLayer.activation`` holds F.relu."""

from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import Any

from conceptlab.core.registry import registry


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


def held_functions(holder: Any) -> list[tuple[str, Callable]]:
    """The functions of torch's among an object's attributes that are parts, or that another one stands for."""
    found: list[tuple[str, Callable]] = []
    for key, value in vars(holder).items():
        function = value.torch if isinstance(value, HeldFunction) else value
        is_one = isinstance(function, FunctionType | BuiltinFunctionType | MethodDescriptorType)
        if is_one and function in registry.spellings:
            found.append((key, function))
    return found
