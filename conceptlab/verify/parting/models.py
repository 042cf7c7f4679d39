"""The two models: whether they have one structure and the same state, and copies of them that may be run."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map

from conceptlab.core import Tiered, message
from conceptlab.swapping.classes import core_class
from conceptlab.verify.parting.distance import apart
from conceptlab.verify.parting.record import names_of, plain


def unwrapped(model: Any, label: str) -> nn.Module:
    """The model inside torch.compile's or DDP's wrapper.

    Raises:
        TypeError: it is no model.
        ValueError: its layers have no weights yet.
    """
    while isinstance(model, DistributedDataParallel) or "_orig_mod" in getattr(model, "_modules", ()):
        model = model.module if isinstance(model, DistributedDataParallel) else model._modules["_orig_mod"]
    where = f"first_difference({label})"
    if not isinstance(model, nn.Module):
        received = f"{type(model).__module__}.{type(model).__qualname__}"
        remedy = "Put a function into a module that calls it."
        raise TypeError(message(where, expected="a torch.nn.Module", received=received, remedy=remedy))
    lazy = [name for name, tensor in _state(model) if is_lazy(tensor)]
    if lazy:
        remedy = "Run the model on a batch first, which draws its weights."
        raise ValueError(message(where, expected="weights", received=f"{lazy[0]!r} without any", remedy=remedy))
    return model


def require_one_structure(model_a: nn.Module, model_b: nn.Module) -> None:
    """Refuse models whose modules have other names; a layer of one may be made of several modules in the other.

    Raises:
        ValueError: they have; the message names the first.
    """
    names = {label: _by_name(model) for label, model in (("model_a", model_a), ("model_b", model_b))}
    for label, other in (("model_a", "model_b"), ("model_b", "model_a")):
        for name in names[label]:
            if name not in names[other] and not _in_a_layer(name, names[other]):
                raise ValueError(
                    message(
                        "first_difference",
                        expected=f"a module {name!r} in {other}, as in {label}",
                        received="none of that name",
                        remedy="Compare models of one structure, such as a deepcopy of one with its parts swapped.",
                    )
                )


def _by_name(model: nn.Module) -> dict[str, nn.Module]:
    return {name: module for module, name in names_of(model).items()}


def _in_a_layer(name: str, modules: Mapping[str, nn.Module]) -> bool:
    """Whether the nearest module above that is there has no modules in it."""
    while name not in modules:
        name = name.rpartition(".")[0]
    return not any(True for _ in modules[name].children())


def state_apart(model_a: nn.Module, model_b: nn.Module) -> tuple[tuple[str, float], ...]:
    """The parameters and buffers of one name that are not the same, bit for bit, each with its relative difference."""
    theirs = dict(_state(model_a))
    pairs = [(name, theirs[name], tensor) for name, tensor in _state(model_b) if name in theirs]
    return tuple((name, apart(b, a)) for name, a, b in pairs if not _identical(a, b))


def _identical(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = a.detach(), b.detach().to(a.device)
    return torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all())


def _state(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        yield plain(name), tensor


def twin(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy in another dtype, without gradients, and with the hooks that its parameters had."""
    made = copy.deepcopy(model)
    # what `double` and its kin do, which leave complex numbers as they are
    made._apply(lambda tensor: _as(tensor, dtype))
    for old, new in zip(model.parameters(), made.parameters(), strict=True):
        new.grad = None
        for hook in (old._backward_hooks or {}).values():
            new.register_hook(hook)
    return made


def arguments(batch: Any, model: nn.Module, dtype: torch.dtype, gradients: bool) -> tuple[tuple, dict[str, Any]]:
    """Copies of a batch as a model's positional and keyword arguments: those of a tuple, of a mapping, or itself."""
    device = next((tensor.device for _, tensor in _state(model)), None)

    def copied(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        leaf = _as(value.detach().to(device or value.device, copy=True), dtype)
        if gradients and leaf.is_floating_point():
            leaf.requires_grad_()
        # one step away from the leaf, as in a network: a module may write to it
        return leaf.clone()

    batch = tree_map(copied, batch)
    if isinstance(batch, Mapping):
        return (), {str(key): value for key, value in batch.items()}
    return (tuple(batch) if isinstance(batch, tuple) else (batch,)), {}


def classes(model_a: nn.Module, model_b: nn.Module, name: str) -> tuple[str, str]:
    """What the module of one name is in each model."""
    a, b = (_by_name(model).get(name) for model in (model_a, model_b))
    return _class(a), _class(b)


def _class(module: nn.Module | None) -> str:
    if module is None:
        return "no module of its own"
    own = core_class(type(module))
    if isinstance(module, Tiered) and own.__module__.startswith("conceptlab."):
        return f"{own.__name__}({module.tier})"
    home = own.__module__
    return f"torch.nn.{own.__name__}" if home.startswith("torch.nn.modules.") else f"{home}.{own.__qualname__}"


def _as(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex128 if dtype == torch.float64 else torch.complex64)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
