"""Values as code."""

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.utils._pytree import is_namedtuple_instance, tree_flatten, tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.target import Target


def tensors_of(target: Target, sample: Sample) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the arguments, by the names that torch's signature gives them."""
    called = target.builtin.forward if target.part.is_class else target.implementation
    signature = torch_samples.signature(called)
    known = [n for n in signature.parameters if n != "self"] if signature else []
    values = [*zip([*known, *(f"argument{i}" for i in range(len(sample.args)))], sample.args, strict=False)]
    taken: set[str] = set()
    for key, value in [*values, *sample.kwargs.items()]:
        tensors = [t for t in tree_flatten(value)[0] if isinstance(t, Tensor)]
        for number, tensor in enumerate(tensors):
            plain = "x" if key in ("input", "args", "kwargs") and "x" not in taken else key
            name = plain if len(tensors) == 1 else f"{plain}{number}"
            taken.add(name)
            yield name, tensor


def written(value: Any, named: Mapping[int, str]) -> str:
    """A value as code, tensors by name."""

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def __repr__(self) -> str:
            return self.name

    def with_names(one: Any) -> Any:
        if isinstance(one, Tensor):
            return Named(named[id(one)])
        if is_namedtuple_instance(one):
            # one with names, as a PackedSequence, whose constructor may want tensors
            kind = type(one)
            return Named(f"{kind.__module__}.{kind.__qualname__}({', '.join(repr(with_names(v)) for v in one)})")
        if isinstance(one, list | tuple | dict):
            return tree_map(with_names, one, is_leaf=lambda v: v is not one)
        return one

    return repr(with_names(value))


def as_code(value: Tensor, limit: int) -> str:
    """A tensor as code."""
    x, shape = value.detach(), tuple(value.shape)
    kind = f"dtype={x.dtype}" + (", requires_grad=True" if value.requires_grad else "")
    if x.numel() == 0:
        return f"torch.empty({shape}, {kind})"
    if x.numel() > 1 and math.isfinite(first := x.flatten()[0].item()) and bool((x == first).all()):
        filled = f"zeros({shape}" if first == 0 else f"ones({shape}" if first == 1 else f"full({shape}, {first!r}"
        return f"torch.{filled}, {kind})"
    if x.numel() <= limit:
        return f"torch.tensor({x.tolist()}, {kind})"
    if x.is_floating_point():
        return f"torch.randn({shape}, {kind})"
    return f"torch.randint(0, {int(x.max()) + 1}, {shape}).to({x.dtype})"


def constructor(sample: Sample) -> str:
    """The constructor's arguments."""
    named: dict[int, str] = {}
    settings = [f"{key}={written(value, named)}" for key, value in sample.init_kwargs.items()]
    return ", ".join([*(written(value, named) for value in sample.init_args), *settings])


def special_numbers(*lines: str) -> list[str]:
    """The import of infinity and NaN, where they are written."""
    used = [name for name in ("inf", "nan") if re.search(rf"\b{name}\b", " ".join(lines))]
    return [f"from math import {', '.join(used)}"] if used else []


def name_of(target: Target) -> str:
    """The implementation's name."""
    return getattr(target.implementation, "__name__", "implementation")


def is_importable(target: Target) -> bool:
    """Whether the implementation is found under its name in its module."""
    module = inspect.getmodule(target.implementation)
    return (
        module is not None
        and module.__name__ != "__main__"
        and getattr(module, name_of(target), None) is (target.implementation)
    )


def imports(target: Target) -> list[str]:
    """The import of the implementation."""
    if target.tier:
        partial = ["from functools import partial"] if target.part.is_class else []
        return [*partial, f"from {target.implementation.__module__} import {name_of(target)}"]
    if is_importable(target):
        return [f"from {target.implementation.__module__} import {name_of(target)}"]
    return [f"# {name_of(target)} is yours"]


def called(target: Target) -> str:
    """What is called: the object, in its tier."""
    return (
        f'partial({name_of(target)}, tier="{target.tier}")' if target.tier and target.part.is_class else name_of(target)
    )


def subject(target: Target) -> str:
    """What `verify` is asked about."""
    return f'"{target.tier}"' if target.tier else name_of(target)
