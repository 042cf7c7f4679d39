"""What is noted of a model that runs: which tensors were where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


class Call(NamedTuple):
    """One call of a module: its qualified name, and the number of the call, from 1."""

    name: str
    number: int


class Place(NamedTuple):
    """Where a tensor is: at which call, and which of its inputs or outputs; or the name of a buffer or parameter."""

    kind: Literal["input", "output", "buffer", "parameter"]
    call: Call
    which: int | str


@dataclass
class Record:
    """What a model did.

    Attributes:
        values: the tensor at each place, in the order of execution.
        gradients: the gradient at each place, in the order of the backward pass.
        has_gradient: whether the tensor at a place required one.
        caller: the call in whose forward each call was made; None for the root's.
        returned: the calls that have come to their end.
        random: the state of the random numbers when each call began and ended.
        doubtful: places whose gradient may go unheard, because the tensor was written to in place.
    """

    values: dict[Place, Tensor] = field(default_factory=dict)
    gradients: dict[Place, Tensor] = field(default_factory=dict)
    has_gradient: dict[Place, bool] = field(default_factory=dict)
    caller: dict[Call, Call | None] = field(default_factory=dict)
    returned: set[Call] = field(default_factory=set)
    random: dict[tuple[Call, str], Tensor] = field(default_factory=dict)
    doubtful: set[Place] = field(default_factory=set)


def tensors(value: Any) -> list[Tensor]:
    """The tensors in nested containers."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor) and leaf.layout is torch.strided]


def names_of(model: nn.Module) -> Mapping[nn.Module, str]:
    """The qualified names of a model's modules, without torch.compile's wrappers."""
    return {m: plain(name) for name, m in model.named_modules() if "_orig_mod" not in m._modules}


def plain(name: str) -> str:
    """A qualified name as it is without torch.compile's wrappers.

    >>> plain("layer1._orig_mod.conv.weight")
    'layer1.conv.weight'
    """
    return ".".join(part for part in name.split(".") if part != "_orig_mod")
