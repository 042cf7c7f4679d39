"""The two forms in which torch takes a sequence: a batch of one length, and rows packed step by step."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

_OPTIONS = ("has_biases", "num_layers", "dropout", "train", "bidirectional")
_BATCH = ("input", "hx", "params", *_OPTIONS, "batch_first")
_PACKED = ("data", "batch_sizes", "hx", "params", *_OPTIONS)


def both_forms(function: Callable) -> Callable:
    """torch's function of ``function(input, hx, params, …, batch_first, *, batch_sizes=None)``.

    It is called in either of torch's forms, ``(input, hx, params, …, batch_first)`` or ``(data, batch_sizes, hx,
    params, …)``, with arguments by position or by name.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not is_packed(args, kwargs):
            return function(*args, **kwargs)
        given = _bound(function.__name__, args, kwargs)
        return function(given.pop("data"), **given, batch_first=False)

    shown = inspect.signature(function)
    parameters = [shown.parameters[name] for name in _BATCH]
    call.__signature__ = shown.replace(parameters=parameters)  # type: ignore[attr-defined]
    return call


def is_packed(args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Whether these are the arguments of packed rows."""
    # the fourth is a list of weights there, and a boolean of a batch
    return isinstance(args[3], list | tuple) if len(args) > 3 else "batch_first" not in kwargs


def _bound(name: str, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    given = {**dict(zip(_PACKED, args, strict=False)), **kwargs}
    if len(given) < len(args) + len(kwargs) or set(given) != set(_PACKED):
        raise TypeError(
            f"{name}: expected the arguments ({', '.join(_BATCH)}) or ({', '.join(_PACKED)}), received {len(args)} by "
            f"position and {sorted(kwargs)} by name. Give all of one form."
        )
    return given
