"""Hooks on one model, which note what enters and leaves its modules, and may have it follow another model's notes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from conceptlab.core import message
from conceptlab.verify.calls import reseed, upstream
from conceptlab.verify.parting.gradients import Edge, Gradients, edge_of
from conceptlab.verify.parting.record import Call, Place, Record, names_of, tensors

Inputs = Callable[[], tuple[tuple, dict[str, Any]]]


@dataclass
class _Frame:
    """A call that has begun, the views that it was given, and the lists in which they were."""

    module: nn.Module
    call: Call
    inputs: int = 0
    views: list[tuple[Place, Tensor, Edge, int]] = field(default_factory=list)
    lists: list[tuple[list, list]] = field(default_factory=list)


class Watch:
    """A model that is watched, and follows ``lead``, another one's record, if it is given one.

    Args:
        model: a copy that may be run and changed.
        inputs: makes its positional and keyword arguments.
        label: what an error calls it.
        lead: what it follows.
    """

    def __init__(self, model: nn.Module, inputs: Inputs, label: str, lead: Record | None = None) -> None:
        self.model, self.inputs, self.label, self.lead = model, inputs, label, lead
        self.record = Record()
        self._names = names_of(model)
        self._gradients = Gradients(self.record, lead)
        self._in_forward = False
        self._stack: list[_Frame] = []
        self._calls: dict[str, int] = {}
        # what a tensor held when it was last seen: most are somebody's output and then somebody's input
        self._seen: Any = WeakTensorKeyDictionary()
        self._outputs: list[Tensor] = []

    @contextmanager
    def watching(self) -> Iterator["Watch"]:
        """The hooks are there in this block."""
        with ExitStack() as stack:
            # a compiled module runs as it would uncompiled, with its hooks
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            for module in self._names:
                # around the user's own hooks, whose effect is the module's
                before = module.register_forward_pre_hook(self._enter, prepend=True, with_kwargs=True)
                stack.callback(before.remove)
                stack.callback(module.register_forward_hook(self._leave).remove)
            try:
                yield self
            finally:
                self._gradients.forget()
                self._outputs.clear()

    def forward(self) -> None:
        """Run the model.

        Raises:
            RuntimeError: it raised; the message names the module.
        """
        args, kwargs = self.inputs()
        reseed()
        self._in_forward = True
        try:
            outputs = self.model(*args, **kwargs)
        except Exception as error:
            raise self._failed("forward", error) from error
        finally:
            self._in_forward = False
        self._outputs = [t for t in tensors(outputs) if t.requires_grad]

    def backward(self) -> None:
        """Run backward from a random gradient, the same for every model; nothing, if no result has a gradient.

        Raises:
            RuntimeError: it raised.
        """
        self._gradients.of_parameters(self.model)
        try:
            if self._outputs:
                torch.autograd.backward(self._outputs, upstream(self._outputs))
        except Exception as error:
            raise self._failed("backward", error) from error

    @property
    def differentiable(self) -> bool:
        """Whether something in the result has a gradient."""
        return bool(self._outputs)

    def _failed(self, phase: str, error: Exception) -> RuntimeError:
        frame = self._stack[-1] if self._stack else None
        where = f", {frame.call.name or 'the root'} ({type(frame.module).__name__})" if frame else ""
        return RuntimeError(
            message(
                f"first_difference: {self.label}{where}",
                expected=f"a {phase} pass without an error",
                received=f"{type(error).__name__}: {str(error).strip()}",
                remedy="Both models have to run on this batch. If it cannot do this dtype, try dtype=torch.float32.",
            )
        )

    def _enter(self, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        if not self._in_forward:  # a checkpoint's recomputation
            return None
        name = self._names[module]
        self._calls[name] = self._calls.get(name, 0) + 1
        frame = _Frame(module, Call(name, self._calls[name]))
        self.record.caller[frame.call] = self._stack[-1].call if self._stack else None
        self._stack.append(frame)
        self._same_random_numbers(frame.call, "begins")
        return self._pass(args, frame), {key: self._pass(value, frame) for key, value in kwargs.items()}

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if not self._in_forward:
            return
        # a forward may have caught the error of one of its children, which then has never left
        while self._stack[-1].module is not module:
            self._stack.pop()
        frame = self._stack.pop()
        self._same_random_numbers(frame.call, "ends")
        self.record.returned.add(frame.call)
        for view in frame.views:
            self._gradients.after_call(*view)
        for given, taken in frame.lists:
            if len(given) != len(taken):  # the module put something into its caller's list
                given[:] = taken
        for index, tensor in enumerate(tensors(output)):
            place = Place("output", frame.call, index)
            self._note(place, tensor)
            self._gradients.of_result(place, tensor)
        for name, buffer in module.named_buffers(recurse=False):
            self._note(Place("buffer", frame.call, name), buffer)

    def _pass(self, value: Any, frame: _Frame) -> Any:
        """An argument as the module gets it, with its tensors noted."""
        if type(value) in (list, tuple):
            taken = type(value)(self._pass(v, frame) for v in value)
            if all(a is b for a, b in zip(taken, value, strict=True)):
                return value
            if type(value) is list:
                frame.lists.append((value, taken))
            return taken
        for tensor in tensors(value):
            place = Place("input", frame.call, frame.inputs)
            frame.inputs += 1
            self._note(place, tensor)
            if value is tensor and tensor.grad_fn is not None and torch.is_grad_enabled():
                view = self._gradients.of_argument(place, tensor)
                frame.views.append((place, view, edge_of(view), view._version))
                self._seen[view] = (view._version, self._seen[tensor][1])
                return view
        return value

    def _note(self, place: Place, tensor: Tensor) -> None:
        """Note a tensor, and give it the leader's numbers."""
        version, value = self._seen.get(tensor, (None, None))
        if version != tensor._version:
            value = tensor.detach().clone()
        self.record.values[place] = value
        self.record.has_gradient[place] = tensor.requires_grad
        leading = self.lead.values.get(place) if self.lead else None
        if leading is not None and leading.shape == tensor.shape and not _overlaps(tensor):
            # written beneath autograd: what a derivative has kept of this tensor now has these numbers, too
            tensor.data.copy_(leading)
            value = leading
        self._seen[tensor] = (tensor._version, value)

    def _same_random_numbers(self, call: Call, moment: str) -> None:
        """Go on with the leader's random numbers, whatever was drawn before."""
        leading = self.lead.random.get((call, moment)) if self.lead else None
        if leading is not None:
            torch.set_rng_state(leading)
        else:
            self.record.random[call, moment] = torch.get_rng_state()


def _overlaps(tensor: Tensor) -> bool:
    """Whether elements share memory, as in an expanded tensor."""
    return any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True))
