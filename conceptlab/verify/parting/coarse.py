"""Modules that compute in a coarser dtype than they are given, as many norms of language models do."""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from conceptlab.verify.parting.record import names_of


def coarse_modules(model: nn.Module, args: tuple, kwargs: dict[str, Any]) -> dict[str, float]:
    """The roundoff of each module, by its name, whose forward turns float64 into something coarser."""
    names = names_of(model)
    stack: list[str] = [""]
    found: dict[str, float] = {}

    class Conversions(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if any(_is(leaf, torch.float64) for leaf in tree_leaves((args, kwargs))):
                for leaf in tree_leaves(result):
                    if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.dtype != torch.float64:
                        found[stack[-1]] = max(found.get(stack[-1], 0.0), torch.finfo(leaf.dtype).eps)
            return result

    def enter(module: nn.Module, _: Any) -> None:
        stack.append(names.get(module, stack[-1]))

    def leave(*_: Any) -> None:
        stack.pop()

    before = register_module_forward_pre_hook(enter)
    after = register_module_forward_hook(leave, always_call=True)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), suppress(Exception), Conversions():
            # where it raises, that has been told already
            model(*args, **kwargs)
    finally:
        before.remove()
        after.remove()
    return found


def _is(value: Any, dtype: torch.dtype) -> bool:
    return isinstance(value, Tensor) and value.dtype == dtype
