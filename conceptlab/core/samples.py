"""What a concept's ``samples.py`` is made of: inputs for its checks, and calls whose speed is measured."""

from collections.abc import Callable, Iterable, Mapping
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
        smooth: whether a second derivative means anything here: not at a kink, a tie, or an infinite value.
        finite_only: why infinite and missing values are not asked of it; empty where they are.
        by_law: why it is not compared number by number, only by its laws; empty where it is.
    """

    name: str
    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    init_args: tuple = ()
    init_kwargs: Mapping[str, Any] = field(default_factory=dict)
    smooth: bool = True
    finite_only: str = ""
    by_law: str = ""


class NotApplicable(Exception):  # noqa: N818  (no error: torch itself cannot do it, so there is nothing to compare)
    """A sample, or a law, about which a check says nothing, and why."""


Law = Callable[[Callable], Iterable[tuple[Any, Any]]]
"""What has to hold of a part by itself, whatever it is compared with; its docstring says it in a sentence.

It is given the function, or what builds the layer, calls it in float64, and yields what is to be the same: what it has
received, and what it expected. Where it cannot be asked, it raises `NotApplicable`.
``samples.py`` lists them by part, ``LAWS = {"rotary": (norm_kept, …)}``.
"""


@dataclass(frozen=True)
class Case:
    """One call of a part whose speed is measured.

    Attributes:
        part: the part's name.
        network: the network whose shapes these are.
        inputs: makes the arguments: of the call; for an optimizer, the parameters that it updates.
        init_args: a class's constructor arguments.
        init_kwargs: keyword arguments of the same.
        kwargs: keyword arguments of the call.
    """

    part: str
    network: str
    inputs: Callable[[], tuple]
    init_args: tuple = ()
    init_kwargs: Mapping[str, Any] = field(default_factory=dict)
    kwargs: Mapping[str, Any] = field(default_factory=dict)
