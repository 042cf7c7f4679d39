"""A user's own layer with its own constructor: built from torch's arguments, given the state, put at every place."""

import inspect
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from conceptlab.core import Part, message
from conceptlab.swapping.places import Place
from conceptlab.swapping.report import SwapReport
from conceptlab.swapping.wanted import Refused

_MOVABLE_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
)
_OTHER_HOOKS = (
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def put_in_place(place: Place, part: Part, cls: type, report: SwapReport) -> None:
    """Build an object of class ``cls`` from a module and put it at all places where that is held."""
    old = place.module
    _refuse(place, cls)
    new = _build(old, part, cls)
    _give_state(old, new)
    new.train(old.training)
    _give_hooks(old, new)

    def undo() -> None:
        _give_state(new, old)
        old.train(new.training)
        for holder, key in place.holders:
            if holder[key] is new:
                holder[key] = old

    report.on_undo(undo)
    for holder, key in place.holders:
        holder[key] = new


def constructor_arguments(module: Any, part: Part) -> dict[str, Any]:
    """The arguments of torch's constructor, by the names of its signature, read off the module.

    Those that have their default value are left out.
    """
    arguments = {}
    for name, parameter in list(inspect.signature(part.torch.__init__).parameters.items())[1:]:
        if name in ("device", "dtype"):  # the state brings them
            continue
        value = getattr(module, name, parameter.default)
        if value is parameter.empty:
            raise Refused(f"its constructor's argument {name!r} cannot be read off it")
        if name == "bias" and not isinstance(value, bool):
            # the flag is gone; without a weight there never was a bias to switch off
            value = parameter.default if getattr(module, "weight", None) is None else value is not None
        if isinstance(value, torch.Tensor) or value != parameter.default:
            arguments[name] = value
    return arguments


def _refuse(place: Place, cls: type) -> None:
    if not place.holders:
        raise Refused(f"it is the root, which can only change its class, and {cls.__name__} has a constructor")
    if parametrize.is_parametrized(place.module):
        raise Refused(f"it is parametrized, and {cls.__name__} has a constructor: remove the parametrization first")
    hooks = [name.strip("_") for name in _OTHER_HOOKS if vars(place.module)[name]]
    if hooks:
        raise Refused(f"it has {', '.join(hooks)}, which belong to the object and cannot be moved")


def _build(module: nn.Module, part: Part, cls: type) -> nn.Module:
    arguments = constructor_arguments(module, part)
    # the first weights that it draws are thrown away, and must not advance the random stream
    with torch.random.fork_rng(devices=[]):
        try:
            return cls(**arguments)
        except TypeError as error:
            given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
            raise TypeError(
                message(
                    f"parts.{part.name}",
                    expected=f"a class with the constructor of {part.home}.{part.name}",
                    received=f"{cls.__name__}({given}): {error}",
                    remedy=f"Give {cls.__name__} these arguments.",
                )
            ) from error


def _give_state(old: nn.Module, new: nn.Module) -> None:
    """Give ``new`` the very parameters and buffers of ``old``: an optimizer, and whoever shares them, keeps them."""
    theirs, ours = ({key: tuple(value.shape) for key, value in m.state_dict().items()} for m in (new, old))
    if theirs != ours:
        raise ValueError(
            message(
                f"parts: {type(new).__name__}",
                expected=f"the state_dict of {type(old).__name__}, {ours}",
                received=str(theirs),
                remedy="Give it parameters and buffers of these names and shapes.",
            )
        )
    for name, value in chain(old.named_parameters(remove_duplicate=False), old.named_buffers(remove_duplicate=False)):
        owner, _, leaf = name.rpartition(".")
        holder = new.get_submodule(owner)
        table: Any = holder._parameters if leaf in holder._parameters else holder._buffers
        if leaf in table:
            table[leaf] = value


def _give_hooks(old: nn.Module, new: nn.Module) -> None:
    # the very dictionaries: the handles that remove hooks refer to them
    for name in _MOVABLE_HOOKS:
        hooks = vars(old)[name]
        hooks.update(vars(new)[name])
        new.__dict__[name] = hooks
    new._is_full_backward_hook = old._is_full_backward_hook
