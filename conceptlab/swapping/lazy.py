"""Lazy modules, which take their final class when they first see an input."""

import functools
from typing import Any

from torch.nn.modules.lazy import LazyModuleMixin

from conceptlab.core import Choice, Part, Tiered
from conceptlab.swapping.classes import adds_no_constructor
from conceptlab.swapping.generated import Generated
from conceptlab.swapping.report import SwapReport
from conceptlab.swapping.wanted import Refused


class Becoming(Generated):
    """Mixin of the lazy classes whose modules become one of conceptlab's, or a user's."""


@functools.cache
def becoming(lazy: type, cls: type) -> type:
    """``lazy``, whose modules become a ``cls``.

    It has ``cls`` as a base, too, for the first input: its weights are drawn, and its result is computed, while the
    module still has the lazy class.
    """
    body = {"__module__": __name__, "cls_to_become": cls, "recipe": (becoming, (cls,))}
    return type(lazy.__name__, (Becoming, lazy, cls), body)


def becomes(module: object) -> type | None:
    """The class that a lazy module will have; None for any other module."""
    return module.cls_to_become if isinstance(module, LazyModuleMixin) else None


def assign(module: Any, part: Part, choice: Choice, report: SwapReport) -> None:
    """Have a lazy module become the chosen class."""
    cls = choice.implementation
    if choice.tier is None and not adds_no_constructor(cls, part.torch):
        raise Refused(f"it is lazy, and {cls.__name__} has a constructor of its own: swap after the first forward")
    before, ops = type(module), vars(module).get("ops")

    def undo() -> None:
        # unless the first input has come, and with it the final class
        module.__class__ = before if isinstance(module, LazyModuleMixin) else before.cls_to_become
        module.__dict__.pop("ops", None)
        module.__dict__.update({} if ops is None else {"ops": ops})

    report.on_undo(undo)
    lazy = before.__bases__[1] if issubclass(before, Becoming) else before
    module.__class__ = lazy if cls is part.torch else becoming(lazy, cls)
    module.__dict__.pop("ops", None)
    if isinstance(module, Tiered):
        module.tier = choice.tier or "handmade"
