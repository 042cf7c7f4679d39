"""What is mutated: a file of a tier, which can be run again with other code in the place of its own."""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch

from conceptlab.core import registry
from conceptlab.core.autocast import outside_autocast
from conceptlab.core.namespace import declare
from conceptlab.core.samples import Sample
from conceptlab.verify import BoundCheck, checks
from conceptlab.verify.calls import reseed
from conceptlab.verify.target import Target

_samples: dict[tuple, list[Sample]] = {}


class KeptTarget(Target):
    """A target whose samples are made once: mutants differ in code, not in inputs."""

    def _samples(self, dtype: torch.dtype, *, thinned: bool, training: bool) -> Iterator[Sample]:
        key = (self.part.name, dtype, thinned, training)
        if key not in _samples:
            reseed(0)
            _samples[key] = list(super()._samples(dtype, thinned=thinned, training=training))
        return iter(_samples[key])


class Subject(Protocol):
    """A file that can be mutated."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def load(self, tree: ast.Module) -> list[Target]:
        """Run the file's code, changed, in this process, and give what is to be verified."""


def bound_checks(targets: list[Target]) -> dict[str, BoundCheck]:
    """The checks of all targets, each as ``part check``."""
    return {f"{t.part.name} {check}": check for t in targets for check in checks(t, like=t.part.name)}


@dataclass(frozen=True)
class TierFile:
    """A file of a tier of a concept. The tier's modules are imported anew, this one with the code that is given."""

    concept: str
    tier: str
    path: Path

    @property
    def name(self) -> str:
        """The path below the folder of concepts."""
        return str(self.path.relative_to(Path(str(registry.package(self.concept).__file__)).parents[1]))

    @property
    def module(self) -> str:
        """The module's name."""
        package = registry.package(self.concept)
        within = self.path.relative_to(Path(str(package.__file__)).parent).with_suffix("").parts
        return ".".join([package.__name__, *(within[:-1] if within[-1] == "__init__" else within)])

    def load(self, tree: ast.Module) -> list[Target]:
        """Import the tier with ``tree`` in the place of this file, and let the registry's functions be its own."""
        concept, name = registry.concepts[self.concept], f"{registry.package(self.concept).__name__}.{self.tier}"
        for known in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
            del sys.modules[known]
        finder = _Finder(self.module, self.path, compile(tree, str(self.path), "exec"))
        sys.meta_path.insert(0, finder)
        try:
            tier = importlib.import_module(name)
        finally:
            sys.meta_path.remove(finder)
        ops = declare(concept.family, self.tier)
        for function, about in concept.functions.items():
            if function in vars(ops):
                delattr(ops, function)
                ops.provide(function, outside_autocast(getattr(tier, function), about.autocast))
        return [KeptTarget(part, self._of(part, ops), self.tier) for part in self.parts()]

    def parts(self) -> list[Any]:
        """The concept's parts that the tier has: functions first, whose checks are the cheaper ones."""
        ours = [part for part in registry.parts.values() if part.concept == self.concept and self.tier in part.tiers]
        return sorted(ours, key=lambda part: part.is_class)

    def _of(self, part: Any, ops: Any) -> Any:
        return part.tiers[self.tier] if part.is_class else getattr(ops, part.name)


def tier_files(concepts: list[str], tier: str = "handmade") -> list[TierFile]:
    """The files of a tier, of these concepts or of all."""
    found = []
    for concept in concepts or registry.concepts:
        spec = importlib.util.find_spec(f"{registry.package(concept).__name__}.{tier}")
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            files = sorted(origin.parent.glob("*.py")) if origin.stem == "__init__" else [origin]
            found += [TierFile(concept, tier, file) for file in files]
    return found


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and runs the given code for it."""

    def __init__(self, name: str, path: Path, code: Any) -> None:
        self.name, self.path, self.code = name, path, code

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        is_package = self.path.stem == "__init__"
        return importlib.util.spec_from_file_location(
            name, self.path, loader=self, submodule_search_locations=[str(self.path.parent)] if is_package else None
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, vars(module))
