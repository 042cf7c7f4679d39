"""Lazy modules, which take their final class when they first see an input."""

from typing import Any

from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from conceptlab.core import Choice, Part, Tiered, namespace
from conceptlab.swapping.classes import adds_no_constructor
from conceptlab.swapping.report import SwapReport
from conceptlab.swapping.wanted import Refused


def becomes(module: object) -> type | None:
    """The class that a lazy module will have; None for any other module."""
    return module.cls_to_become if isinstance(module, LazyModuleMixin) else None


def assign(module: Any, part: Part, choice: Choice, report: SwapReport) -> None:
    """Have a lazy module become the chosen class."""
    cls = choice.implementation
    if choice.tier is None and not adds_no_constructor(cls, part.torch):
        raise Refused(f"it is lazy, and {cls.__name__} has a constructor of its own: swap after the first forward")
    before = {name: vars(module)[name] for name in ("cls_to_become", "ops") if name in vars(module)}

    def undo() -> None:
        if isinstance(module, LazyModuleMixin):
            _forget(module)
            _promise(module, before.get("cls_to_become"), before.get("ops"))
        else:  # the first input has come, and with it the class
            module.__class__ = before.get("cls_to_become", part.torch)
            module.__dict__.pop("ops", None)
            module.__dict__.update({"ops": before["ops"]} if "ops" in before else {})

    report.on_undo(undo)
    _forget(module)
    if cls is not part.torch:
        tier = choice.tier or "handmade"
        ops = namespace(cls.family, tier, cls.needs, cls.__name__) if issubclass(cls, Tiered) else None
        _promise(module, cls, ops)


def _promise(module: nn.Module, cls: type | None, ops: Any) -> None:
    if cls is not None:
        module.cls_to_become = cls
        module.register_forward_pre_hook(_arrived)
    if ops is not None:
        module.__dict__["ops"] = ops


def _forget(module: nn.Module) -> None:
    for name in ("cls_to_become", "ops"):
        module.__dict__.pop(name, None)
    for key, hook in list(module._forward_pre_hooks.items()):
        if hook is _arrived:
            del module._forward_pre_hooks[key]


def _arrived(module: nn.Module, args: tuple) -> None:
    """The hook that runs after torch's own, when the class has come: what promised it is not needed any more."""
    ops = vars(module).get("ops")
    _forget(module)
    if ops is not None:
        module.__dict__["ops"] = ops
