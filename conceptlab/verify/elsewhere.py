"""On another device than the CPU: what torch's own does on a CPU, which is what that device is held against.

Two things are only there. A wrong index ends the process, because a kernel asserts that there is none. And torch has
other kernels, with mistakes of their own, which no implementation is to be blamed for not having.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_flatten, tree_map

_OF_NUMBERS = re.compile("range|bounds|between 0 and 1|[Cc]lass values|max index|non-negative|Expected idx|offsets")
"""What torch says, on a CPU, of numbers by which its kernels for CUDA would end the process."""


def moved(value: Any, move: Callable[[Tensor], Tensor]) -> Any:
    """``value`` with its tensors moved. A sequence's batch sizes stay on the CPU, wherever the rest is."""

    def of(value: Any) -> Any:
        if isinstance(value, PackedSequence):
            data, sizes, *order = value
            return PackedSequence(move(data), sizes, *(None if o is None else move(o) for o in order))
        return move(value) if isinstance(value, Tensor) else value

    return tree_map(of, value, is_leaf=lambda one: isinstance(one, PackedSequence))


def on_cpu(implementation: Any) -> Any:
    """torch's own function or layer as one that computes on a CPU, wherever the tensors are that it is called with."""
    if isinstance(implementation, type):
        return _layer_on_cpu(implementation)

    def call(*args: Any, **kwargs: Any) -> Any:
        return _round_trip(implementation, args, kwargs)

    return call


def _layer_on_cpu(cls: type[nn.Module]) -> type[nn.Module]:
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        plain = copy.copy(self)
        plain.__class__ = cls
        state = {**dict(self.named_parameters()), **dict(self.named_buffers())}

        def call(state: dict[str, Tensor], *args: Any, **kwargs: Any) -> Any:
            return torch.func.functional_call(plain, state, args, kwargs)

        return _round_trip(call, (state, *args), kwargs)

    return type(cls.__name__, (cls,), {"forward": forward})


def _round_trip(function: Callable, args: tuple, kwargs: dict) -> Any:
    given = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
    device = next((t.device for t in given if t.device.type != "cpu"), torch.device("cpu"))
    copies = {id(tensor): tensor.cpu() for tensor in given}
    versions = {key: copied._version for key, copied in copies.items()}

    def down(tensor: Tensor) -> Tensor:
        return copies[id(tensor)]

    result = function(*moved(args, down), **moved(kwargs, down))
    back: dict[int, Tensor] = {}
    for tensor in given:
        copied = copies[id(tensor)]
        # running statistics are written to unnoticed; of a batch under vmap there are none
        is_one = not torch._C._functorch.is_batchedtensor(tensor)
        unnoticed = is_one and not copied.requires_grad and not torch.equal(copied, tensor.cpu())
        if unnoticed or copied._version > versions[id(tensor)]:
            back[id(copied)] = tensor.copy_(copied)
    return moved(result, lambda tensor: back.get(id(tensor), tensor.to(device)))


def refuse_as_on_cpu(function: Any, args: tuple, kwargs: dict) -> None:
    """Raise what the call raises on a CPU, before it ends the process on CUDA; nothing where no tensor is there."""
    if not any(_is_there(value) for value in tree_flatten((args, kwargs))[0]):
        return

    def down(tensor: Tensor) -> Tensor:
        return tensor.detach().cpu()

    if isinstance(function, nn.Module):
        function = copy.deepcopy(function).cpu()
    try:
        function(*moved(args, down), **moved(kwargs, down))
    except (IndexError, RuntimeError) as error:  # others CUDA raises itself, if it does
        if _OF_NUMBERS.search(str(error)):
            raise


def _is_there(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_cuda and not isinstance(value, FakeTensor)
