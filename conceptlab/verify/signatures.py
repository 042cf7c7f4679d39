"""The signatures of torch's callables: Python's where it shows one, else those of torch's stubs."""

import ast
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

REQUIRED = inspect.Parameter.empty
UNKNOWN = "a default that torch's stub does not tell"


@dataclass(frozen=True)
class Argument:
    """One parameter.

    Attributes:
        name: its name.
        default: its default, `REQUIRED` where there is none.
        by_name_only: whether it cannot be given by position.
    """

    name: str
    default: Any = REQUIRED
    by_name_only: bool = False

    def __str__(self) -> str:
        return self.name if self.default is REQUIRED else f"{self.name}={self.default!r}"

    def agrees(self, theirs: "Argument") -> bool:
        """The same name, kind and default; None and an empty list both mean: none."""
        same_default = (
            theirs.default is UNKNOWN
            or self.default is theirs.default
            or self.default == theirs.default
            or (self.default in (None, ()) and theirs.default in (None, ()))
        )
        return self.name == theirs.name and self.by_name_only == theirs.by_name_only and same_default


Arguments = tuple[Argument, ...]


def own_arguments(function: Callable) -> Arguments | None:
    """The parameters that Python shows; None where there are ``*args`` or ``**kwargs``, which show nothing."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # written in C
        return None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return None
    return tuple(Argument(p.name, p.default, p.kind is p.KEYWORD_ONLY) for p in parameters)


def torch_arguments(function: Callable) -> list[Arguments]:
    """The parameters of one of torch's callables, once for each overload; empty where nothing tells them."""
    shown = own_arguments(function)
    if shown is not None:
        return [shown]
    names = {function.__name__, getattr(function, "__qualname__", "")}
    # F.max_pool2d is called `fn`, and its stub by the name under which torch offers it
    names |= {name for name, value in vars(torch.nn.functional).items() if value is function}
    return [_of_stub(node) for name in sorted(names) for node in _stubs().get(name, [])]


def agree(ours: Arguments, theirs: Arguments) -> bool:
    """The same names in the same order, of the same kinds, with the same defaults."""
    return len(ours) == len(theirs) and all(a.agrees(b) for a, b in zip(ours, theirs, strict=True))


def spelled(arguments: Arguments) -> str:
    """As one would write it."""
    return f"({', '.join(map(str, arguments))})"


@functools.cache
def _stubs() -> dict[str, list[ast.FunctionDef]]:
    folder = Path(torch.__file__).parent
    found: dict[str, list[ast.FunctionDef]] = {}
    for stub in ("nn/functional.pyi", "_C/_nn.pyi", "_C/_VariableFunctions.pyi"):
        for node in ast.parse((folder / stub).read_text()).body:
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node)
    return found


def _of_stub(node: ast.FunctionDef) -> Arguments:
    positional = [*node.args.posonlyargs, *node.args.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(node.args.defaults))
    found = [
        *((a, d, False) for a, d in zip(positional, [*missing, *node.args.defaults], strict=True)),
        *((a, d, True) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if a.arg != "out"),
    ]
    return tuple(Argument(a.arg, _default(node.name, a.arg, d), by_name) for a, d, by_name in found)


def _default(function: str, argument: str, node: ast.expr | None) -> Any:
    if node is None:
        return REQUIRED
    try:
        found = ast.literal_eval(node)
    except ValueError:
        found = ...
    return _of_schema(function, argument) if found is ... else found


def _of_schema(function: str, argument: str) -> Any:
    """The default in the operation's schema, where the stub writes dots."""
    packet = getattr(torch.ops.aten, function, None)
    if packet is None:
        return UNKNOWN
    schemas = [getattr(packet, overload)._schema for overload in packet.overloads()]
    found = [a.default_value for s in schemas for a in s.arguments if a.name == argument and a.has_default_value()]
    return found[0] if found else UNKNOWN
