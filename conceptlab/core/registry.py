"""The one list of concepts and parts. Nobody writes it: it is read from the folders, and from entry points.

A concept is a package with a page (its ``__init__``, which holds ``CONCEPT``) and a module for each tier beside it.
Other packages add concepts, or tiers to existing ones, by the entry-point group ``conceptlab.concepts``::

    [project.entry-points."conceptlab.concepts"]
    my_norm = "mypkg.my_norm"                          # a concept: a package like those of conceptlab.concepts
    "convolution.triton" = "mypkg.triton_convolution"  # a tier of an existing concept: a module of functions
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from torch.nn import Linear
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from conceptlab.core.autocast import outside_autocast
from conceptlab.core.concept import TORCH_HOME, Concept, Part
from conceptlab.core.errors import did_you_mean, message
from conceptlab.core.namespace import all_tiers, declare

CONCEPTS = "conceptlab.concepts"
"""The package whose folders are the concepts, and the entry-point group by which others add theirs."""

NOT_TIERS = frozenset({"samples", "laws"})
"""Modules of a concept's folder that are no tier: inputs for the checks, shapes for the benchmark, what has to hold."""

ALIASES: Mapping[type, type] = MappingProxyType({NonDynamicallyQuantizableLinear: Linear})
"""Torch's own subclasses that are the same in all but name."""


class Registry:
    """Concepts and parts by name, and what each of torch's callables means. It fills itself when first asked."""

    def __init__(self) -> None:
        self._started = False
        self._packages: dict[str, ModuleType] = {}
        self._concepts: dict[str, Concept] = {}
        self._parts: dict[str, Part] = {}
        self._spellings: dict[Callable, tuple[Part, Callable | None]] = {}

    @property
    def concepts(self) -> Mapping[str, Concept]:
        """Every concept, by its folder's name."""
        self.load()
        return MappingProxyType(self._concepts)

    @property
    def parts(self) -> Mapping[str, Part]:
        """Every part, by torch's name."""
        self.load()
        return MappingProxyType(self._parts)

    @property
    def spellings(self) -> Mapping[Callable, tuple[Part, Callable | None]]:
        """For each of torch's callables that mean a function part: the part, and the adapter of the arguments."""
        self.load()
        return MappingProxyType(self._spellings)

    @property
    def classes(self) -> Mapping[type, Part]:
        """The part that each class stands for: torch's class, its aliases, and conceptlab's."""
        known: dict[type, Part] = {}
        for part in self.parts.values():
            if part.is_class:
                known |= dict.fromkeys((part.torch, *part.tiers.values()), part)
        return known | {alias: known[cls] for alias, cls in ALIASES.items() if cls in known}

    @property
    def tiers(self) -> set[str]:
        """The names of all tiers. They are names of files: where no concept has been imported yet, none has to be."""
        if self._parts:
            return {tier for part in self._parts.values() for tier in part.tiers}
        names = {"builtin"}
        concepts = [str(folder) for place in _places(CONCEPTS) for folder in Path(place).iterdir()]
        for point in entry_points(group=CONCEPTS):
            _, dot, tier = point.name.partition(".")
            if dot:
                names.add(tier)
            else:
                concepts += _places(point.value)
        return names.union(module.name for module in pkgutil.iter_modules(concepts) if _is_tier(module.name))

    def package(self, concept: str) -> ModuleType:
        """The package of a concept: its page."""
        self.load()
        return self._packages[concept]

    def samples(self, concept: str) -> ModuleType | None:
        """The concept's ``samples.py``, where it has one."""
        name = f"{self.package(concept).__name__}.samples"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None

    def load(self) -> None:
        """Read all folders and entry points, once."""
        if self._started:
            return
        self._started = True
        folders = importlib.import_module(CONCEPTS)
        for folder in pkgutil.iter_modules(folders.__path__):
            self.add_concept(folder.name, importlib.import_module(f"{CONCEPTS}.{folder.name}"))
        # a name with a dot is a tier; after the concepts, since it may belong to another package's concept
        points = entry_points(group=CONCEPTS)
        for point in points:
            if "." not in point.name:
                self.add_concept(point.name, point.load())
        for point in points:
            concept, dot, tier = point.name.partition(".")
            if dot:
                self.add_tier(concept, tier, point.load())

    def add_concept(self, name: str, package: ModuleType) -> None:
        """Read one concept's package: the page, and each tier beside it."""
        self.load()
        concept: Concept = package.CONCEPT
        _refuse_taken(package.__name__, [name], self._concepts)
        _refuse_taken(package.__name__, _part_names(concept), self._parts)
        self._concepts[name], self._packages[name] = concept, package
        builtin = declare(concept.family, "builtin")
        for function in concept.functions if self._is_of_torch(name) else ():
            builtin.provide(function, concept.builtin(function))
        for module in pkgutil.iter_modules(package.__path__):
            if _is_tier(module.name):
                self._provide(concept, module.name, importlib.import_module(f"{package.__name__}.{module.name}"))
        self._list_all_parts()

    def add_tier(self, concept: str, tier: str, module: ModuleType) -> None:
        """Add a tier from another package: a module with functions of torch's names."""
        self.load()
        if concept not in self._concepts:
            raise ValueError(
                message(
                    f"tier '{concept}.{tier}' of {module.__name__}",
                    expected="a concept",
                    received=repr(concept),
                    remedy=did_you_mean(concept, self._concepts),
                )
            )
        self._provide(self._concepts[concept], tier, module)
        self._list_all_parts()

    def _provide(self, concept: Concept, tier: str, module: ModuleType) -> None:
        ops = declare(concept.family, tier)
        for name, function in concept.functions.items():
            if hasattr(module, name):
                ops.provide(name, outside_autocast(getattr(module, name), function.autocast))

    def _is_of_torch(self, name: str) -> bool:
        """Whether torch has what the concept is about. Else its home is a module of its own folder: its definition."""
        return not self._concepts[name].home.__name__.startswith(f"{self._packages[name].__name__}.")

    def _list_all_parts(self) -> None:
        # all of them, since a class may be made on functions of a concept that has only now come
        for name in self._concepts:
            self._list_parts(name)

    def _list_parts(self, name: str) -> None:
        concept = self._concepts[name]
        tiers = {tier: ops.functions() for tier, ops in all_tiers(concept.family).items()}
        home = TORCH_HOME[concept.family]
        public = f"conceptlab.{concept.family}"
        is_of_torch = self._is_of_torch(name)
        class_home = home if is_of_torch else concept.home.__name__
        for cls in concept.classes:
            twin = getattr(importlib.import_module(class_home), cls.__name__)
            needs = self._needs(cls.__name__)
            able: dict[str, Any] = {tier: cls for tier, functions in tiers.items() if functions.keys() >= needs}
            able |= {"builtin": twin} if is_of_torch else {}
            self._parts[cls.__name__] = Part(cls.__name__, name, class_home, public, twin, able)
        if concept.family != "nn":
            return  # optimizers, schedulers and transforms are classes; nobody names their functions
        for function_name, function in concept.functions.items():
            if function_name.startswith("_"):
                continue  # a layer's own
            able = {tier: functions[function_name] for tier, functions in tiers.items() if function_name in functions}
            function_home = concept.home.__name__
            # what torch keeps outside of torch.nn, as torch.lstm, stands here among the functions
            beside = function_home if function_home.startswith(home) else f"{home}.functional"
            part = Part(
                function_name,
                name,
                function_home,
                beside.replace(home, public, 1),
                concept.builtin(function_name),
                able,
            )
            self._parts[function_name] = part
            # nobody hears a call of what is not torch's
            own: dict[Callable, Callable | None] = {part.torch: None} if is_of_torch else {}
            for spelling, adapter in {**own, **function.also}.items():
                self._spellings[spelling] = part, adapter

    def _needs(self, name: str) -> set[str]:
        """The names of the functions that a class is made on, and those of the layers inside."""
        for concept in self._concepts.values():
            for cls in concept.classes:
                if cls.__name__ == name:
                    own: tuple[str, ...] = cls.needs  # type: ignore[attr-defined]  # set by the Concept
                    return set(own).union(*(self._needs(each) for each in concept.inside.get(cls, ())))
        return {name}  # a class that no concept has, and so no tier either


def _is_tier(module: str) -> bool:
    return not module.startswith("_") and module not in NOT_TIERS


def _places(package: str) -> list[str]:
    """The folders of a package; finding one imports its parents."""
    spec = importlib.util.find_spec(package)
    return list((spec and spec.submodule_search_locations) or ())


def _part_names(concept: Concept) -> list[str]:
    functions = [name for name in concept.functions if not name.startswith("_")] if concept.family == "nn" else []
    return [*(cls.__name__ for cls in concept.classes), *functions]


def _refuse_taken(package: str, names: Iterable[str], existing: Mapping) -> None:
    taken = [name for name in names if name in existing]
    if taken:
        raise ValueError(
            message(
                f"entry point '{CONCEPTS}' of {package}",
                expected="names that are not taken",
                received=", ".join(taken),
                remedy="What exists cannot be replaced: choose another name, and pick it in the parts setting.",
            )
        )


registry = Registry()
