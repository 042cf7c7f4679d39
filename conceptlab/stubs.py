"""Writes the stubs (``.pyi``) of the namespaces, which are made at run time: for type checkers and editors.

``python -m conceptlab.stubs`` writes them again. Constructors have torch's types, and those of one version of torch.
"""

import collections.abc
import importlib
import inspect
import types
import typing
from pathlib import Path
from typing import Any

import torch

from conceptlab.core import Tiered, registry

MODULES = (
    "conceptlab.nn",
    "conceptlab.nn.functional",
    "conceptlab.nn.init",
    "conceptlab.nn.utils",
    "conceptlab.optim",
    "conceptlab.optim.lr_scheduler",
    "conceptlab.transforms",
)
TORCH = ".".join(torch.__version__.split(".")[:2])
HEADER = f"# Written by `python -m conceptlab.stubs`, with torch {TORCH}. Do not edit.\n"
_STARS: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def path(module: str) -> Path:
    """Where the stub of a module is."""
    return Path(inspect.getfile(importlib.import_module(module))).with_suffix(".pyi")


def text(module: str) -> str:
    """The stub of a module."""
    namespace = importlib.import_module(module)
    passed: list[str] = []
    imports: set[str] = set()
    body: list[str] = []
    for name in sorted(namespace.__all__):
        value = getattr(namespace, name)
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            body.append(_function(name, signature, {}, imports))
        elif inspect.isclass(value) and issubclass(value, Tiered):
            imports.add(value.__module__)
            hints = _hints(registry.parts[name].torch.__init__)
            signature = inspect.signature(value).replace(return_annotation=None)
            body.append(f"class {name}({value.__module__}.{name}):")
            body.append("    " + _function("__init__", signature, hints, imports, first="self, "))
        else:
            source = module if f"{module}.{name}" in MODULES else namespace._surface.torchs.__name__
            passed.append(f"from {source} import {name} as {name}")
    lines = [HEADER, *(f"import {name}" for name in sorted(imports)), *passed, "", *body]
    return "\n".join(lines) + "\n"


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError:
        # torch imports some of these names for type checkers only
        return typing.get_type_hints(function, localns=vars(collections.abc))


def _function(
    name: str, signature: inspect.Signature, hints: dict[str, Any], imports: set[str], first: str = ""
) -> str:
    parameters = []
    bare_star = "*, "
    for parameter in signature.parameters.values():
        kind = parameter.kind
        star = _STARS.get(kind, "")
        if kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL):
            star, bare_star = (bare_star if kind is parameter.KEYWORD_ONLY else star), ""
        annotation = _annotation(hints.get(parameter.name, parameter.annotation), imports)
        default = "" if parameter.default is parameter.empty else " = ..."
        parameters.append(f"{star}{parameter.name}: {annotation}{default}")
    returns = _annotation(signature.return_annotation, imports)
    return f"def {name}({first}{', '.join(parameters)}) -> {returns}: ..."


def _annotation(annotation: Any, imports: set[str]) -> str:
    """The source of an annotation. Not its ``repr``, which differs from one version of Python to the next."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (None, type(None)):
        return "None"
    if annotation is ...:
        return "..."
    if isinstance(annotation, list):
        return f"[{', '.join(_annotation(a, imports) for a in annotation)}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_annotation(a, imports) for a in arguments)
    if origin is typing.Literal:
        imports.add("typing")
        return f"typing.Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None:
        return f"{_annotation(origin, imports)}[{', '.join(_annotation(a, imports) for a in arguments)}]"
    if not isinstance(annotation, type) or annotation is inspect.Parameter.empty:
        imports.add("typing")
        return "typing.Any"
    if annotation.__module__ == "builtins":
        return annotation.__qualname__
    name = annotation.__name__
    if vars(torch).get(name) is annotation:
        imports.add("torch")
        return f"torch.{name}"
    imports.add(annotation.__module__)
    return f"{annotation.__module__}.{annotation.__qualname__}"


if __name__ == "__main__":
    for module in MODULES:
        path(module).write_text(text(module))
