"""The folder of a concept, for somebody to fill in: ``python -m conceptlab.scaffold softshrink``, in a checkout."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jinja2 import Environment, PackageLoader, StrictUndefined

from conceptlab.core import did_you_mean, message, registry
from conceptlab.verify.signatures import spelled, torch_arguments

CONCEPTS = Path(__file__).parents[1] / "concepts"
FILES = ("__init__.py", "naive.py", "handmade.py", "samples.py")


def files(name: str) -> dict[str, str]:
    """The texts of a concept's four files, with torch's names, arguments and classes in their places.

    >>> print(files("softshrink")["naive.py"], end="")
    \"\"\"Softshrink, by its definition.\"\"\"
    <BLANKLINE>
    from torch import Tensor
    <BLANKLINE>
    <BLANKLINE>
    def softshrink(input, lambd=0.5) -> Tensor:
        raise NotImplementedError("softshrink: its definition")

    Args:
        name: a function of torch.nn.functional.

    Raises:
        ValueError: there is no such function, or it is a part already.
    """
    function = getattr(F, name, None)
    if not inspect.isroutine(function) or name.startswith("_"):
        remedy = did_you_mean(name, (each for each in vars(F) if inspect.isroutine(vars(F)[each])))
        raise ValueError(
            message("scaffold", expected="a function of torch.nn.functional", received=name, remedy=remedy)
        )
    if name in registry.parts:
        remedy = f"Read conceptlab/concepts/{registry.parts[name].concept}."
        raise ValueError(message("scaffold", expected="what is no part yet", received=name, remedy=remedy))
    (arguments, *_) = torch_arguments(function) or [()]
    environment = Environment(
        loader=PackageLoader("conceptlab.scaffold"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    values = {
        "name": name,
        "title": name.replace("_", " "),
        "signature": spelled(arguments),
        "arguments": [argument.name for argument in arguments],
        "spellings": list(_spellings(name, function)),
        "classes": dict(_classes(name)),
    }
    return {file: environment.get_template(f"{file}.j2").render(values) for file in FILES}


def write(name: str) -> Path:
    """Write them, into a folder that must not be there yet, and return it."""
    texts = files(name)
    folder = CONCEPTS / name
    folder.mkdir()
    for file, text in texts.items():
        (folder / file).write_text(text)
    return folder


def _spellings(name: str, function: Any) -> Iterator[str]:
    """Where else torch has a function of that name."""
    for owner in (torch, torch.Tensor):
        if getattr(owner, name, function) is not function:
            yield f"{'torch.Tensor' if owner is torch.Tensor else 'torch'}.{name}"


def _classes(name: str) -> Iterator[tuple[str, str]]:
    """torch's layers that call the function, each with its ``forward`` on the functions of a tier."""
    for title, value in vars(torch.nn).items():
        if isinstance(value, type) and issubclass(value, torch.nn.Module) and "forward" in vars(value):
            source = textwrap.dedent(inspect.getsource(value.forward))
            if f"F.{name}(" in source:
                (forward,) = ast.parse(source).body
                yield title, textwrap.indent(ast.unparse(_OnOps().visit(forward)), "    ")


class _OnOps(ast.NodeTransformer):
    """``F.relu`` becomes ``self.ops.relu``, and a docstring nothing: torch's class has it."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "F":
            node.value = ast.Attribute(ast.Name("self"), "ops")
        return self.generic_visit(node)
