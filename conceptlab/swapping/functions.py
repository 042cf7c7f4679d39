"""`use`: a block in which torch's functions are answered by another implementation."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from conceptlab.core import Parts, registry

Answer = tuple[str, Callable | None, Callable | None]
"""The part, what answers (None: torch's own) and the adapter of its arguments."""


def use(parts: "str | Mapping[str, Any] | Parts") -> "Use":
    """Answer torch's functions by the implementations that ``parts`` names, inside a ``with`` block.

    All of torch's spellings are heard: ``F.relu``, ``torch.relu``, ``x.relu()`` and ``x.relu_()`` alike, wherever they
    are called from. A part that the setting does not speak of, and one that it leaves ``"builtin"``, is torch's own.
    Blocks may be nested: the inner one wins, and what it does not cover goes to the outer one. It works inside and
    around ``torch.compile(fullgraph=True)``.

    >>> x = torch.tensor([-1.0, 2.0])
    >>> with use({"relu": "handmade"}) as used:
    ...     y = x.relu() + torch.relu(x)
    >>> used.counts
    Counter({'relu': 2})

    ``counts`` says which functions were answered and how often, in eager mode; compiled code counts nothing.

    Its limits, which are those of ``torch.overrides.TorchFunctionMode``:

    - it is local to the thread that opened the block;
    - it is off inside any function that it lets through. ``backward()`` is one, so that activation checkpointing
      recomputes with torch's own: there, swap modules instead;
    - it does not see optimizers, most of ``torch.nn.init``, and ``torchvision.transforms.v2``.

    Args:
        parts: the parts setting; see `conceptlab.Parts`.
    """
    return Use(Parts(parts))


class Use(TorchFunctionMode):
    """What `use` returns: the block, and in ``counts`` what it answered.

    ``beyond`` is another one, whose answers hold where these say nothing.
    """

    def __init__(self, parts: Parts, beyond: "Use | None" = None) -> None:
        super().__init__()
        self.parts = parts
        self.beyond = beyond
        self.counts: Counter[str] = Counter()
        # made here once: a table that is made inside compiled code breaks fullgraph
        self._answers: dict[Callable, Answer] = {**(beyond._answers if beyond else {}), **_answers(parts)}

    @property
    def answers_something(self) -> bool:
        """Whether there is a function that is not torch's own."""
        return any(implementation is not None for _, implementation, _ in self._answers.values())

    def __reduce__(self) -> tuple[Callable, tuple]:
        # the tables are read from the registry again, by whoever loads it
        return Use, (self.parts, self.beyond)

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        answer = self._answers.get(func)
        if answer is None:
            return func(*args, **kwargs)
        part, implementation, adapter = answer
        if implementation is None:
            return _torchs_own(func, args, kwargs)
        if not torch.compiler.is_compiling():
            self.counts[part] += 1
        if adapter is None:
            return implementation(*args, **kwargs)
        return adapter(implementation, *args, **kwargs)


def _answers(parts: Parts) -> dict[Callable, Answer]:
    """What ``parts`` says of each of torch's callables."""
    answers = {}
    for spelling, (part, adapter) in registry.spellings.items():
        choice = parts[part.name]
        if choice is not None and choice.implementation is not None:
            own = None if choice.implementation is part.torch else choice.implementation
            answers[spelling] = part.name, own, adapter
    return answers


def _torchs_own(func: Callable, args: tuple, kwargs: dict) -> Any:
    """torch's own function, and an enclosing `use` shall not answer in its place."""
    if torch._C._len_torch_function_stack() == 0:
        return func(*args, **kwargs)
    with torch._C.DisableTorchFunction():
        return func(*args, **kwargs)
