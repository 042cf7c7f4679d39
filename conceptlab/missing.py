"""Writes docs/missing.md, what torch has and conceptlab has not: ``python -m conceptlab.missing``, in a checkout."""

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torchvision

from conceptlab import stubs

PAGE = Path(__file__).parents[1] / "docs" / "missing.md"
VERSIONS = f"torch {stubs.TORCH} and torchvision {'.'.join(torchvision.__version__.split('.')[:2])}"
COMPILED = ("torch", "torch._C._nn")
"""Where the functions say they are that torch has in C++, whichever of its modules offers them."""
INTRODUCTION = f"""\
# What is not by hand

Every name of torch's that has no handmade part yet, so that nobody has to guess. Written by
`python -m conceptlab.missing`, with {VERSIONS}.
What does no arithmetic (containers, `Identity`, `Flatten` …) is torch's own here, and is neither by hand nor missing.
"""


def page() -> str:
    """A section for each of torch's modules."""
    sections = []
    for name in stubs.MODULES:
        surface = importlib.import_module(name)._surface
        by_hand = [each for each in surface.contents().keys() - set(surface.passes) if hasattr(surface.torchs, each)]
        lacking = missing(name)
        sections += [
            f"## {surface.torchs.__name__}",
            "",
            f"{len(by_hand)} by hand, {len(lacking)} missing{':' if lacking else '.'}",
            "",
            *([" ".join(f"`{each}`" for each in lacking), ""] if lacking else []),
        ]
    return "\n".join([INTRODUCTION, *sections])


def missing(name: str) -> list[str]:
    """What torch's twin of one of conceptlab's namespaces has besides."""
    surface = importlib.import_module(name)._surface
    return sorted(_computing(surface.torchs) - surface.contents().keys() - set(surface.passes))


def _computing(torchs: ModuleType) -> set[str]:
    """The names of a module of torch's that do what a part could do; not its helpers, types and notes."""
    public = {name: value for name, value in vars(torchs).items() if not name.startswith(("_", "assert_"))}
    return {name for name, value in public.items() if _computes(value, torchs)}


def _computes(value: Any, torchs: ModuleType) -> bool:
    if inspect.isclass(value):
        # bases are abstract: nobody builds one
        kinds = (torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)
        return issubclass(value, kinds) and not value.__name__.endswith("Base") and value not in kinds
    # elsewhere than in torch.nn functions are helpers
    is_of_nn = torchs.__name__.startswith("torch.nn.")
    return is_of_nn and inspect.isroutine(value) and value.__module__ in (torchs.__name__, *COMPILED)


if __name__ == "__main__":
    PAGE.write_text(page())
