"""``swap(model, …, functions=True)``: a model whose forward runs inside `use`.

Its class becomes one that is generated around it. So everything of the object stays, ``isinstance`` holds, and it can
be copied, saved, compiled and taken back; and a ``with`` block, unlike a pair of hooks, also ends when forward raises.
"""

import functools
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from conceptlab.core import Parts
from conceptlab.swapping.classes import based_on
from conceptlab.swapping.functions import Use
from conceptlab.swapping.generated import Generated
from conceptlab.swapping.report import Skipped, Swapped, SwapReport


class Answering(Generated):
    """Mixin of the generated classes. It stands before the model's own class."""

    _conceptlab_use: Use

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with self._conceptlab_use:
            return super().forward(*args, **kwargs)  # type: ignore[misc]


def answer_functions(root: nn.Module, parts: Parts, report: SwapReport, methods: tuple[str, ...] = ()) -> None:
    """Have the functions that a model calls, in its forward and in ``methods``, answered as ``parts`` says."""
    model = _unwrapped(root)
    if "forward" in vars(model):
        reason = "forward was replaced on the object, so that no class's would be called"
        report.skipped.append(Skipped("", "functions", reason))
        return
    before = vars(model).get("_conceptlab_use")
    after = Use(parts, beyond=before)
    if (not after.answers_something and before is None) or (before and before.parts.setting == parts.setting):
        report.unchanged += 1
        return
    report.on_undo(lambda: _set(model, before, methods))
    _set(model, after if after.answers_something else None, methods)
    report.swapped.append(Swapped("", "functions", "builtin", "as the setting says", "forward runs inside use"))


@functools.cache
def answering_class(own: type, methods: tuple[str, ...] = ()) -> type:
    """The class generated around ``own``; one and the same for all its objects."""
    body: dict[str, Any] = {name: _inside_use(name, getattr(own, name)) for name in methods}
    body |= {"__module__": __name__, "__doc__": own.__doc__, "recipe": (answering_class, (methods,))}
    return type(own)(own.__name__, (Answering, own), body)


def _inside_use(name: str, method: Callable) -> Callable:
    @functools.wraps(method)  # Lightning reads the signature
    def inside(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._conceptlab_use:
            return getattr(super(Answering, self), name)(*args, **kwargs)

    return inside


def _set(model: Any, use: Use | None, methods: tuple[str, ...]) -> None:
    """Have ``model`` run inside ``use``, or, with None, as its own class says."""
    if use is None:
        generated = next(cls for cls in type(model).__mro__ if Answering in cls.__bases__)
        model.__class__ = based_on(type(model), generated, generated.__bases__[1])
        del model._conceptlab_use
        return
    if not isinstance(model, Answering):
        own: Any = type(model)
        model.__class__ = answering_class(own, methods)
    model._conceptlab_use = use


def _unwrapped(model: Any) -> Any:
    """The model inside torch.compile's or DDP's wrapper, whose forward is the one that counts."""
    while True:
        if "_orig_mod" in model._modules:
            model = model._modules["_orig_mod"]
        elif isinstance(model, DistributedDataParallel):
            model = model.module
        else:
            return model
