"""Where the parts of an object are: every module once, with all its names and all that hold it."""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

Holder = tuple[MutableMapping | list, Any]
"""A dictionary or list, and the key at which it holds the module."""


@dataclass
class Place:
    """One module, or transform, of an object.

    Attributes:
        module: the module itself.
        names: its qualified names; more than one where it is used under several, empty for the root.
        holders: all that would have to hold another module in its place.
    """

    module: Any
    names: list[str] = field(default_factory=list)
    holders: list[Holder] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]


def places(root: Any) -> list[Place]:
    """Everything inside ``root``, itself first, each once however often it is used."""
    found: dict[int, Place] = {}

    def visit(module: Any, name: str, ancestors: tuple[int, ...]) -> None:
        place = found.setdefault(id(module), Place(module))
        place.names.append(name)
        for holder, key, below in _held(module):
            child = holder[key]
            if id(child) in ancestors:
                continue
            full_name = f"{name}.{below}" if name else below
            visit(child, full_name, (*ancestors, id(child)))
            at = found[id(child)]
            if not any(held is holder and k == key for held, k in at.holders):
                at.holders.append((holder, key))

    visit(root, "", (id(root),))
    return list(found.values())


def is_container_of_transforms(target: object) -> bool:
    """Whether it is one of torchvision's containers, which keep their transforms in a plain list."""
    from_torchvision = any(base.__module__.startswith("torchvision.transforms") for base in type(target).__mro__)
    return from_torchvision and isinstance(vars(target).get("transforms"), list)


def _held(module: Any) -> Iterator[tuple[MutableMapping | list, Any, str]]:
    if isinstance(module, nn.Module):
        for key, child in module._modules.items():
            if child is not None:
                yield module._modules, key, key
    # `modules()` does not see these
    if is_container_of_transforms(module):
        for at, child in enumerate(module.transforms):
            if isinstance(child, nn.Module) or is_container_of_transforms(child):
                yield module.transforms, at, f"transforms.{at}"
