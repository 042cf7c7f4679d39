"""Verifying what is not a tier: a user's own class or function, as the part that it is to stand for."""

from dataclasses import replace
from typing import Any

from conceptlab.core import Part, Parts, registry
from conceptlab.verify import class_checks

CLASS_CHECKS = (class_checks.behaviour, class_checks.channels_last_behaviour)
"""What a user's class has to satisfy; the other checks are about what tiers have in common."""


def as_part(value: Any, like: str) -> tuple[Part, str]:
    """The part ``like`` with one more implementation, and the name of that one: what the checks are called with.

    Args:
        value: an import path ``module:object``, or the object.
        like: the part that it stands for.
    """
    choice = Parts({like: value})[like]
    if choice is None:  # it would have been refused above
        raise KeyError(like)
    part = registry.parts[like]
    return replace(part, tiers={**part.tiers, choice.label: choice.implementation}), choice.label
