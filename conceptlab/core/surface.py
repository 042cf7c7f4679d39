"""The parts under torch's own names: what ``conceptlab.nn``, ``conceptlab.optim`` and their kin answer with."""

import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from conceptlab.core.concept import Part
from conceptlab.core.errors import did_you_mean, message
from conceptlab.core.namespace import namespace
from conceptlab.core.registry import registry


class Surface:
    """The names of one module of conceptlab that stands beside one of torch's.

    It offers the parts that torch's module offers, by hand, and what it is told to pass through. Nothing is torch's
    own in silence: what is not by hand raises ``AttributeError``.

    Args:
        name: the name of conceptlab's module.
        torchs: torch's module.
        passes: names of torch's that do no arithmetic, and are the same here.
    """

    def __init__(self, name: str, torchs: ModuleType, passes: Iterable[str] = ()) -> None:
        self.name = name
        self.torchs = torchs
        self.passes = tuple(passes)

    def contents(self) -> dict[str, Any]:
        """Everything it has, by name."""
        by_hand = [part.name for part in registry.parts.values() if part.public_home == self.name and _tiers(part)]
        aliases = [
            name
            for name, function in vars(self.torchs).items()
            if not name.startswith("_") and inspect.isroutine(function) and function in registry.spellings
        ]
        return {name: self.get(name) for name in sorted({*by_hand, *aliases, *self.passes})}

    def get(self, name: str) -> Any:
        """What stands under a name; a module's ``__getattr__``.

        Raises:
            AttributeError: torch's is not by hand, or there is no such name.
        """
        torchs = getattr(self.torchs, name, None)
        if name in self.passes:
            return torchs
        part = registry.parts.get(name)
        if part is not None and part.public_home == self.name and _tiers(part):
            return _tiers(part)[0] if part.is_class else self._function(name, part, None)
        if inspect.isroutine(torchs) and torchs in registry.spellings:
            return self._function(name, *registry.spellings[torchs])
        if name.startswith("_"):
            raise AttributeError(f"module {self.name!r} has no attribute {name!r}")
        if torchs is None:
            # the words that Python has for it
            known = did_you_mean(name, self.contents())
            raise AttributeError(f"module {self.name!r} has no attribute {name!r}. {known}")
        raise AttributeError(
            message(
                f"{self.name}.{name}",
                expected="something that conceptlab has by hand",
                received=f"{name!r}, which it has not (yet)",
                remedy=f"torch's own is {self.torchs.__name__}.{name}.",
            )
        )

    def _function(self, name: str, part: Part, adapter: Callable | None) -> Callable:
        tiers, part_name, where = dict(part.tiers), part.name, f"{self.name}.{name}"

        def function(*args: Any, tier: str = "handmade", **kwargs: Any) -> Any:
            implementation: Any = tiers.get(tier)
            if implementation is None:
                # raises, and says which tiers there are
                implementation = namespace("nn", tier, needs=(part_name,), where=f"{where}(tier={tier!r})")
            if adapter is None:
                return implementation(*args, **kwargs)
            return adapter(implementation, *args, **kwargs)

        function.__name__ = function.__qualname__ = name
        function.__module__ = self.name
        function.__doc__ = f"torch's ``{name}``, by hand, in any tier; a part of the concept {part.concept}."
        function.__signature__ = _with_tier(part, adapter)  # type: ignore[attr-defined]
        return function


def _tiers(part: Part) -> list[Any]:
    """What the part has by hand."""
    return [value for tier, value in part.tiers.items() if tier != "builtin"]


def _with_tier(part: Part, adapter: Callable | None) -> inspect.Signature:
    """The signature of the part, or of its other spelling, with ``tier``."""
    signature = inspect.signature(adapter or _tiers(part)[0])
    parameters = list(signature.parameters.values())[0 if adapter is None else 1 :]
    tier = inspect.Parameter("tier", inspect.Parameter.KEYWORD_ONLY, default="handmade", annotation=str)
    at = len(parameters) - any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    return signature.replace(parameters=[*parameters[:at], tier, *parameters[at:]])
