"""Inputs that a concept's ``samples.py`` gives for its checks, where PyTorch's own do not reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One call of a part.

    Attributes:
        name: a few words that tell it from the others.
        args: positional arguments, of the function or of the class's ``forward``; tensors that are to be differentiated
            require grad.
        kwargs: keyword arguments of the same.
        init_args: a class's constructor arguments.
        init_kwargs: keyword arguments of the same.
    """

    name: str
    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    init_args: tuple = ()
    init_kwargs: Mapping[str, Any] = field(default_factory=dict)
