"""The parts setting: which implementation each part uses."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conceptlab.core.concept import Part
from conceptlab.core.errors import did_you_mean, message
from conceptlab.core.registry import registry

DEFAULT = "default"


@dataclass(frozen=True)
class Choice:
    """What a setting says of one part.

    Attributes:
        key: the key that decided: the part's name, its concept's, or ``default``.
        implementation: the class or function to use, or None where the part has none.
        tier: the tier it comes from, or None for an object of the user's own.
        reason: why there is no implementation.
    """

    key: str
    implementation: Any
    tier: str | None = None
    reason: str = ""

    @property
    def label(self) -> str:
        """The tier's name, or where the object comes from."""
        return self.tier or f"{self.implementation.__module__}:{self.implementation.__qualname__}"


class Parts:
    """A checked parts setting.

    ``setting`` is a tier's name, short for ``{"default": tier}``, or a mapping. Its keys are names of parts, names of
    concepts, and ``default``; its values are tiers, import paths ``module:object``, or objects: a class with torch's
    constructor and state_dict, a function with torch's signature. A part's own name wins over its concept's, and that
    over ``default``. A part that no key covers is left as it is; a value of None is as if not given. Where a function
    has the name of its concept (``linear``), a tier goes to the whole concept and an object to the function.

    >>> parts = Parts({"default": "handmade", "relu": "naive", "ReLU6": "builtin"})
    >>> parts["ReLU"].tier, parts["ReLU6"].tier, parts["linear"].tier
    ('naive', 'builtin', 'handmade')

    Raises:
        ValueError: an unknown concept, part or tier, or an import path that leads nowhere.
        NotImplementedError: a tier named for a part that lacks it.
        TypeError: a value, or an object, of the wrong kind.
    """

    def __init__(self, setting: "str | Mapping[str, Any] | Parts") -> None:
        if isinstance(setting, Parts):
            setting = setting.setting
        if isinstance(setting, str):
            setting = {DEFAULT: setting}
        if not isinstance(setting, Mapping):
            raise TypeError(
                message(
                    "parts",
                    expected="a tier's name or a mapping",
                    received=repr(setting),
                    remedy="For instance 'handmade', or {'default': 'builtin', 'Conv2d': 'naive'}.",
                )
            )
        self.setting: dict[str, Any] = {key: value for key, value in setting.items() if value is not None}
        self._choices: dict[str, Choice] = {}
        for level in (self._default_choices, self._concept_choices, self._part_choices):
            self._choices |= level()

    def __repr__(self) -> str:
        return f"Parts({self.setting!r})"

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        # whoever loads it asks the registry again: what a tier provides cannot be found by its name
        return Parts, (self.setting,)

    def __getitem__(self, part: str) -> Choice | None:
        """The choice for a part, or None where the setting does not speak of it."""
        return self._choices.get(part)

    def _default_choices(self) -> dict[str, Choice]:
        if DEFAULT not in self.setting:
            return {}
        tier = _tier(DEFAULT, self.setting[DEFAULT])
        return {name: _from_tier(DEFAULT, part, tier) for name, part in registry.parts.items()}

    def _concept_choices(self) -> dict[str, Choice]:
        choices: dict[str, Choice] = {}
        for key, value in self.setting.items():
            if key not in registry.concepts or (key in registry.parts and not _is_tier_name(value)):
                continue
            tier = _tier(key, value)
            members = [part for part in registry.parts.values() if part.concept == key]
            named = {part.name: _from_tier(key, part, tier) for part in members}
            if all(choice.implementation is None for choice in named.values()):
                raise _lacks_tier(key, tier, {t for part in members for t in part.tiers})
            choices |= named
        return choices

    def _part_choices(self) -> dict[str, Choice]:
        choices = {}
        for key, value in self.setting.items():
            if key == DEFAULT or (key in registry.concepts and (key not in registry.parts or _is_tier_name(value))):
                continue
            if key not in registry.parts:
                known = [DEFAULT, *registry.concepts, *registry.parts]
                raise ValueError(
                    message(
                        f"parts.{key}",
                        expected="the name of a concept or part",
                        received=repr(key),
                        remedy=did_you_mean(str(key), known),
                    )
                )
            part = registry.parts[key]
            if _is_tier_name(value):
                choice = _from_tier(key, part, _tier(key, value))
                if choice.implementation is None:
                    raise _lacks_tier(key, value, part.tiers)
                choices[key] = choice
            else:
                where = f"parts.{key}"
                choices[key] = Choice(key, checked_object(where, part, import_object(where, value)))
        return choices


def import_object(where: str, value: Any) -> Any:
    """The object that an import path ``module:object`` leads to; an object is returned as it is.

    Raises:
        ValueError: it leads nowhere; the message begins with ``where``.
    """
    if not isinstance(value, str):
        return value
    module, _, name = value.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for attribute in name.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            message(
                where,
                expected="an import path 'module:object' that leads to a class or function",
                received=f"{value!r} ({error})",
                remedy="Check the spelling, and that the package is installed.",
            )
        ) from error
    return found


def _is_tier_name(value: Any) -> bool:
    return isinstance(value, str) and ":" not in value


def _tier(key: str, value: Any) -> str:
    known = registry.tiers
    if isinstance(value, str) and value in known:
        return value
    if _is_tier_name(value):
        raise ValueError(
            message(
                f"parts.{key}",
                expected="a tier, or an import path 'module:object'",
                received=repr(value),
                remedy=did_you_mean(value, known),
            )
        )
    raise TypeError(
        message(
            f"parts.{key}",
            expected="a tier, since it stands for several parts",
            received=repr(value),
            remedy=f"Name the part that {value!r} is meant for. Tiers: {', '.join(sorted(known))}.",
        )
    )


def _from_tier(key: str, part: Part, tier: str) -> Choice:
    if tier in part.tiers:
        return Choice(key, part.tiers[tier], tier)
    return Choice(key, None, tier, f"it has no tier '{tier}' (only {', '.join(sorted(part.tiers))})")


def _lacks_tier(key: str, tier: str, tiers: Any) -> NotImplementedError:
    return NotImplementedError(
        message(
            f"parts.{key}",
            expected="a tier that it has",
            received=repr(tier),
            remedy=f"Its tiers: {', '.join(sorted(tiers))}.",
        )
    )


def checked_object(where: str, part: Part, value: Any) -> Any:
    """``value``, if it is of the kind that can stand for the part.

    Raises:
        TypeError: it is of another kind; the message begins with ``where``.
    """
    # the class a user's class has to descend from: Module for layers and transforms, Optimizer, LRScheduler
    wanted = inspect.getmro(part.torch)[-2] if part.is_class else None
    fits = isinstance(value, type) and issubclass(value, wanted) if wanted else callable(value)
    if not fits or (wanted is None and isinstance(value, type)):
        kind = f"a subclass of {wanted.__module__}.{wanted.__qualname__}" if wanted else "a function"
        raise TypeError(
            message(
                where,
                expected=kind,
                received=repr(value),
                remedy=f"Give a class or function that can stand where torch's {part.name} stands.",
            )
        )
    return value
