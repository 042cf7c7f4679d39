"""`first_difference`: runs two models, the second in the footsteps of the first."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from math import inf
from typing import Any

import torch
from torch import nn

from conceptlab.core import message
from conceptlab.verify.parting.coarse import coarse_modules
from conceptlab.verify.parting.distance import BLIND
from conceptlab.verify.parting.judge import Judge
from conceptlab.verify.parting.models import (
    arguments,
    classes,
    require_one_structure,
    state_apart,
    twin,
    unwrapped,
)
from conceptlab.verify.parting.result import FirstDifference, Row
from conceptlab.verify.parting.watch import Watch


def first_difference(
    model_a: nn.Module,
    model_b: nn.Module,
    batch: Any,
    *,
    dtype: torch.dtype = torch.float64,
    input_gradients: bool = True,
) -> FirstDifference:
    """Find the first module, forward or backward, in which two models of one structure part.

    Every module of ``model_b`` is given what the same module of ``model_a`` was given: the same inputs, upstream
    gradients and random numbers. So the module that is named is at fault itself, and has not only received a wrong
    number; see `conceptlab.verify.parting`. Functions that a forward calls belong to the module whose forward it is.
    Both models are copied, in the mode that each is in, with the weights that each has; they and the random numbers
    stay as they are. What the copies hold is kept at every module, so a small batch will do.

    >>> import copy, torch, conceptlab as cl
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> other = copy.deepcopy(model)
    >>> report = cl.swap(other, "handmade")
    >>> cl.first_difference(model, other, torch.randn(5, 4)).agree
    True
    >>> hook = other[1].register_forward_hook(lambda module, inputs, output: output * 1.001)
    >>> found = cl.first_difference(model, other, torch.randn(5, 4))
    >>> found.name, found.phase, found.what, round(found.difference, 6)
    ('1', 'forward', 'output', 0.001)

    Args:
        model_a: the model that is taken to be right.
        model_b: the other one: a copy of it with parts swapped, or with layers of one's own. Its modules have the same
            names; a layer may be made of several modules in one of the models.
        batch: the input; a tuple holds several, a mapping keyword arguments.
        dtype: what the copies are converted to. float64, the default, has the sharpest bound, 1e-9 of a tensor's
            largest magnitude. In another dtype the error ratio decides: the error of ``model_b`` against ``model_a`` in
            float64 may be four times that of ``model_a``. Choose it for what float64 does not reach, and prefer
            float64 else: in float32 a fault of 1e-6 is rounding.
        input_gradients: whether also the gradients of the batch's floating tensors are compared. Leave it out where the
            model's derivative by one of them does not exist.

    Returns:
        Where they part, what differs there and by how much, and all comparisons up to there.

    Raises:
        TypeError: something that is no module.
        ValueError: the models' modules have other names, or layers have no weights yet.
        RuntimeError: a model raised while it ran; the message says which one, and in which module.
    """
    model_a, model_b = unwrapped(model_a, "model_a"), unwrapped(model_b, "model_b")
    require_one_structure(model_a, model_b)
    if not dtype.is_floating_point:
        remedy = "torch.float64 is the default."
        raise TypeError(message("dtype", expected="a floating-point dtype", received=str(dtype), remedy=remedy))

    def watch(model: nn.Module, label: str, dtype: torch.dtype, leader: Watch | None = None) -> Watch:
        inputs = partial(arguments, batch, model, dtype, input_gradients)
        return Watch(twin(model, dtype), inputs, label, leader.record if leader else None)

    devices = {t.device for m in (model_a, model_b) for t in (*m.parameters(), *m.buffers()) if t.is_cuda}
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices), ExitStack() as stack:
        a = stack.enter_context(watch(model_a, "model_a", dtype).watching())
        exact = None
        if dtype != torch.float64:
            exact = stack.enter_context(watch(model_a, "model_a in float64", torch.float64, a).watching())
        b = stack.enter_context(watch(model_b, "model_b", dtype, a).watching())
        rows, notes = Finder(a, b, exact).run()
    state = state_apart(model_a, model_b)
    if not rows or rows[-1].agrees:
        return FirstDifference(None, None, None, 0, 0.0, 0.0, None, rows, state, notes)
    at, both = rows[-1], classes(model_a, model_b, rows[-1].name)
    return FirstDifference(at.name, at.phase, at.what, at.call, at.difference, at.bound, both, rows, state, notes)


class Finder:
    """Runs the models, and compares until something differs.

    Args:
        a: the leader.
        b: the follower.
        exact: the leader in float64, following itself, where the error ratio decides.
    """

    def __init__(self, a: Watch, b: Watch, exact: Watch | None) -> None:
        self.a, self.b, self.exact = a, b, exact
        self.coarse: dict[str, float] | None = None
        self.rows: list[Row] = []

    def run(self) -> tuple[tuple[Row, ...], tuple[str, ...]]:
        """The comparisons up to the first that differs, and notes.

        Raises:
            RuntimeError: a model raised; unless the second one did, after a difference.
        """
        leaders = [watch for watch in (self.a, self.exact) if watch is not None]
        for watch in leaders:
            watch.forward()
        error = _error_of(self.b.forward)
        if self._agree(Judge.forward) and error is None and self._agree(Judge.graph):
            for watch in leaders:
                watch.backward()
            error = _error_of(self.b.backward)
            if error is not None:
                # then nothing follows from a gradient that has not arrived
                self.b.record.has_gradient.clear()
            self._agree(Judge.backward)
        if error is not None and (not self.rows or self.rows[-1].agrees):
            raise error
        after = [f"after that it raised: {error.__cause__!r}"] if error else self._calls_of_one()
        return tuple(self.rows), (*self._notes(), *after)

    def _agree(self, phase: Callable[[Judge], Iterator[Row]]) -> bool:
        """Compare one phase, and see whether everything in it agrees."""
        rows = self._judged(phase)
        if rows and not rows[-1].agrees and rows[-1].difference < inf and self.exact is None and self.coarse is None:
            self.coarse = {}
            for watch in (self.a, self.b):
                self.coarse |= coarse_modules(watch.model, *watch.inputs())
            rows = self._judged(phase)
        self.rows += rows
        return not rows or rows[-1].agrees

    def _judged(self, phase: Callable[[Judge], Iterator[Row]]) -> list[Row]:
        rows = []
        exact = self.exact.record if self.exact else None
        for row in phase(Judge(self.a.record, self.b.record, exact, self.coarse)):
            rows.append(row)
            if not row.agrees:
                break
        return rows

    def _notes(self) -> Iterator[str]:
        if not self.a.differentiable:
            yield "nothing in the result has a gradient, so that only the forward pass was compared"
        if self.coarse:
            yield f"{_named(self.coarse)} compute in a coarser dtype than float64; its rounding counts as no difference"
        if blind := dict.fromkeys(row.place for row in self.rows if row.detail == BLIND):
            yield f"in {_named(blind)}, {BLIND}, so that little can be told"
        if self.rows and not self.rows[-1].agrees and (name := self._other_layout()) is not None:
            yield f"the output of {name} lies in memory in another order, which random draws such as dropout's follow"

    def _calls_of_one(self) -> Iterator[str]:
        for one, other, label in ((self.a, self.b, "a"), (self.b, self.a, "b")):
            if alone := dict.fromkeys(call.name for call in one.record.caller if call not in other.record.caller):
                yield f"only {label} calls {_named(alone)}, which cannot be compared"

    def _other_layout(self) -> str | None:
        """The first module whose results differ in their strides."""
        for place, a in self.a.record.values.items():
            b = self.b.record.values.get(place)
            if place.kind == "output" and b is not None and b.shape == a.shape and b.stride() != a.stride():
                return place.call.name or "the root"
        return None


def _error_of(run: Callable[[], None]) -> RuntimeError | None:
    try:
        run()
    except RuntimeError as error:
        return error
    return None


def _named(names: Iterable[str]) -> str:
    names = [name or "the root" for name in names]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
