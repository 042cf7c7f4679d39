"""Where the time of a training step goes."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from conceptlab.bench.stopwatch import clock
from conceptlab.core import registry

REST = "everything else"
"""What no layer accounts for: additions between layers, bookkeeping, hooks."""


class Stopwatch:
    """Times the layers of a model, forward and backward, while it is trained inside `running`.

    A layer's forward time is that between its two hooks. Autograd visits layers in the reverse order, one after the
    other in this thread; the arrival of the gradient at a layer's output starts its backward time, and that at the
    next layer's output ends it. What stands between two layers (a sum, a reshape) is counted with the later one.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model = model
        self.device = device
        self.calls: dict[str, int] = {}
        self._steps: list[dict[str, dict[str, float]]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within, `step` can be called."""
        hooks = []
        for layer in layers(self.model):
            hooks.append(layer.register_forward_pre_hook(self._enter))
            hooks.append(layer.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def step(self, forward: Callable[[], Tensor], update: Callable[[], None]) -> None:
        """Time one training step: ``forward`` returns the loss, ``update`` is the optimizer's part."""
        self._forward: defaultdict[str, float] = defaultdict(float)
        self._calls: defaultdict[str, int] = defaultdict(int)
        self._marks: list[tuple[float, str]] = []
        start = clock(self.device)
        loss = forward()
        between = clock(self.device)
        self._marks.append((between, REST))
        loss.backward()
        end = clock(self.device)
        update()
        self._forward["optimizer"] = clock(self.device) - end
        self._forward[REST] = between - start - sum(t for name, t in self._forward.items() if name != "optimizer")
        backward: defaultdict[str, float] = defaultdict(float)
        ends = [at for at, _ in self._marks[1:]] + [end]
        for (at, name), until in zip(self._marks, ends, strict=True):
            backward[name] += until - at
        self._steps.append({"forward_ms": dict(self._forward), "backward_ms": dict(backward)})
        self.calls = dict(self._calls)

    def table(self) -> list[dict[str, Any]]:
        """Medians over the steps, in milliseconds: a row for each concept, the optimizer and the rest."""
        names = dict.fromkeys(name for step in self._steps for times in step.values() for name in times)
        return [
            {"name": name, "calls": self.calls.get(name, 1)}
            | {way: 1000 * median(s[way].get(name, 0.0) for s in self._steps) for way in ("forward_ms", "backward_ms")}
            for name in names
        ]

    def _enter(self, layer: nn.Module, inputs: tuple) -> None:
        self._entered = clock(self.device)

    def _leave(self, layer: nn.Module, inputs: tuple, output: object) -> None:
        name = concept_of(layer)
        self._forward[name] += clock(self.device) - self._entered
        self._calls[name] += 1
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor) and first.requires_grad:
            first.register_hook(lambda gradient: self._marks.append((clock(self.device), name)))


def layers(model: nn.Module) -> Iterator[nn.Module]:
    """The outermost modules that are parts, and what else has no modules within it."""
    if _part_of(model) or not any(True for _ in model.children()):
        yield model
        return
    for child in model.children():
        yield from layers(child)


def concept_of(layer: nn.Module) -> str:
    """The concept that a layer belongs to; else the name of its class."""
    return _part_of(layer) or type(layer).__name__


def _part_of(layer: nn.Module) -> str | None:
    for cls in type(layer).__mro__:
        part = registry.parts.get(cls.__name__)
        if part is not None and part.is_class:
            return part.concept
    return None
