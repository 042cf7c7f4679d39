"""Is this a configuration that can run? Told before anything is written.

Hydra accepts ``+optimizer.lrr=3``, and a string where a number belongs. So every node with a ``_target_`` is held
against the signature of what it names, and the root against `Root`'s.
"""

import difflib
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, Union

from omegaconf import MISSING, DictConfig, OmegaConf

from conceptlab.configuration.composing import groups, plain
from conceptlab.configuration.mistake import Mistake
from conceptlab.core import Parts, did_you_mean, message
from conceptlab.importing import importing

HYDRA_KEYS = frozenset({"_target_", "_partial_", "_args_", "_convert_", "_recursive_"})

SLOW = ("torchvision", "lightning", "conceptlab.data", "conceptlab.tasks")
"""Targets in packages that take seconds to import, and are therefore looked at last."""


@dataclass
class Paths:
    """Where things go."""

    output_dir: str
    sweep_dir: str
    data_dir: str
    run_dir: str


@dataclass
class Root:
    """The keys at the top, and what each may hold."""

    name: str
    seed: int
    variants: list[str | dict]
    parts: dict
    paths: dict
    data: dict
    model: dict
    task: dict
    optimizer: dict
    scheduler: dict | None
    trainer: dict
    callbacks: dict | None
    logger: dict | None
    float32: Literal["highest", "high"]
    ckpt_path: str | None = None


def validate(cfg: DictConfig | Mapping[str, Any]) -> None:
    """Refuse a configuration that cannot run.

    Raises:
        Mistake: an unknown key, a value of the wrong type, a missing value, a target that does not import, or parts
            and tiers that do not exist; the message names the key and what it may be.
    """
    if isinstance(cfg, DictConfig):
        _check_missing(OmegaConf.to_container(cfg, resolve=False))
    config = plain(cfg)
    _check_arguments("", config, Root, what="the configuration")
    _check_arguments("paths", config["paths"], Paths, what="paths")
    nodes = list(_targets(config))
    with importing():
        for where, node in nodes:
            if not _is_slow(node):
                _check_node(where, node)
        try:
            Parts(config["parts"])  # imports the concepts, torchvision among others
        except (ValueError, TypeError, NotImplementedError) as error:
            raise Mistake(str(error)) from error
        for where, node in nodes:
            if _is_slow(node):
                _check_node(where, node)


def _is_slow(node: Mapping) -> bool:
    return str(node["_target_"]).startswith(SLOW)


def _check_node(where: str, node: Mapping) -> None:
    _check_arguments(where, node, _import(where, node["_target_"]), what=node["_target_"])


def _check_missing(node: Any, where: str = "") -> None:
    """Refuse ``???``, before anything that refers to it is resolved."""
    if node == MISSING:
        raise Mistake(message(where, expected="a value", received="none", remedy=f"Give one: {where}=…"))
    for key, value in node.items() if isinstance(node, Mapping) else ():
        _check_missing(value, f"{where}.{key}" if where else str(key))


def _targets(node: Any, where: str = "") -> Iterator[tuple[str, dict]]:
    """Every node that names a target, with its place."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield where, dict(node)
        elif where in groups():
            _check_nodes(where, node)
        for key, value in node.items():
            yield from _targets(value, f"{where}.{key}" if where else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _targets(value, f"{where}[{index}]")


def _check_nodes(where: str, node: Mapping) -> None:
    """Refuse values beside the named nodes of a group that has no target itself: callbacks, loggers."""
    if where in ("parts", "paths"):
        return
    for key, value in node.items():
        if not (value is None or (isinstance(value, Mapping) and "_target_" in value)):
            if where in ("callbacks", "logger"):
                expected = f"one of {where}, with a _target_"
                near = f"Give it a _target_, or choose {where}=…"
            else:
                expected, near = "a _target_", f"Say what is to be built: {where}._target_=…"
            raise Mistake(message(f"{where}.{key}", expected=expected, received=repr(value), remedy=near))


def _import(where: str, target: Any) -> Any:
    """The object that a target names."""
    module = str(target)
    names: list[str] = []
    while module:
        try:
            found = importlib.import_module(module)
            break
        except ModuleNotFoundError as error:
            # a module that is there and misses one of its own imports is another mistake
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise Mistake(_not_imported(where, target, str(error), "Install it.")) from error
            module, _, name = module.rpartition(".")
            names.insert(0, name)
        except (ImportError, ValueError) as error:
            raise Mistake(_not_imported(where, target, str(error), "Correct that first.")) from error
    else:
        raise Mistake(_not_imported(where, target, "no such module", "Check the spelling, and that it is installed."))
    for name in names:
        if not hasattr(found, name):
            raise Mistake(_not_imported(where, target, f"{name!r} is not there", _nearest(name, dir(found))))
        found = getattr(found, name)
    if not callable(found):
        raise Mistake(_not_imported(where, target, repr(found), "Name a class or a function."))
    return found


def _not_imported(where: str, target: Any, received: str, remedy: str) -> str:
    expected = "an import path that leads to a class or function"
    return message(f"{where}._target_", expected=expected, received=f"{target!r} ({received})", remedy=remedy)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else "Check the spelling."


def _check_arguments(where: str, node: Mapping, target: Callable, what: str) -> None:
    """Hold a node's keys and values against the signature of what they are given to."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return  # written in C, without a signature: it will check itself
    hints = _hints(target)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {name: p for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for key, value in node.items():
        place = f"{where}.{key}" if where else str(key)
        if key in HYDRA_KEYS or (takes_any and key not in named):
            continue
        if key not in named:
            remedy = did_you_mean(str(key), named) if named else "It takes no arguments."
            raise Mistake(message(place, expected=f"a key of {what}", received=repr(key), remedy=remedy))
        hint = hints.get(key, Any)
        if not _fits(value, hint):
            expected = _words(hint)
            raise Mistake(message(place, expected=expected, received=repr(value), remedy=f"For {what}; correct it."))
    lacking = [n for n, p in named.items() if p.default is p.empty and n not in node]
    if lacking and not node.get("_partial_") and "_args_" not in node:
        place = f"{where}.{lacking[0]}" if where else lacking[0]
        raise Mistake(message(place, expected=f"a value, for {what}", received="none", remedy=f"Give it: {place}=…"))


def _hints(target: Callable) -> dict[str, Any]:
    function = inspect.getattr_static(target, "__init__") if isinstance(target, type) else target
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}  # annotations that only a type checker can resolve


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value can be what an annotation says; where that cannot be told, it can."""
    if isinstance(value, Mapping) and "_target_" in value:
        return True  # something is built in its place
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in arguments)
    if origin is Literal:
        return value in arguments
    if origin is typing.Annotated:
        return _fits(value, arguments[0])
    if hint is None or hint is type(None):
        return value is None
    kind = origin or hint
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is str or (isinstance(kind, type) and issubclass(kind, PathLike)):
        return isinstance(value, str)
    if kind is bool:
        return isinstance(value, bool)
    if not isinstance(kind, type):
        return True  # Any, a type variable, a callable
    if isinstance(value, list):
        if not issubclass(list, kind) and kind is not tuple:
            return False
        elements = [a for a in arguments if a is not Ellipsis]
        return len(elements) != 1 or all(_fits(v, elements[0]) for v in value)
    if isinstance(value, Mapping):
        return issubclass(dict, kind)
    return isinstance(value, kind)


def _words(hint: Any) -> str:
    if typing.get_origin(hint) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(choice) for choice in typing.get_args(hint)))
    if typing.get_origin(hint) is Literal:
        return " or ".join(repr(choice) for choice in typing.get_args(hint))
    names = {int: "an integer", float: "a number", str: "a string", bool: "true or false", type(None): "null"}
    names |= {list: "a list", dict: "a mapping"}
    return names.get(hint) or getattr(hint, "__name__", str(hint)).replace("typing.", "")
