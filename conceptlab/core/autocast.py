"""Mixed precision: each function part states what ``torch.autocast`` does to its inputs, and runs outside of it.

A hand-written function is made of many small operations. Inside an autocast region each of them would be cast by its
own policy, some to bfloat16 and some to float32, and the backward pass, which runs outside the region, would meet mixed
dtypes. So the cast happens once, at the door, by the policy that torch has for the whole function.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch

Policy = Literal["lower", "float32", "widest", "composed"]
"""``lower``: to autocast's dtype; ``float32``: up to float32; ``widest``: to the widest dtype among the inputs;
``composed``: it is made of other parts, and of products, each of which has its own policy, as in torch."""

Autocast = Policy | Mapping[str, Policy] | Callable[..., "Policy | Mapping[str, Policy] | None"] | None
"""One policy for all devices, one for each device type, or None: the inputs stay as they are. Where it depends on the
call, a function from the call's arguments to one of these."""


def outside_autocast(function: Callable, autocast: Autocast) -> Callable:
    """``function`` with its inputs cast by its policy, and autocast, and any `use`, switched off while it runs."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if torch._C._is_torch_function_mode_enabled():
            # what a function is made of is its own affair: an enclosing `use` answers none of it
            with torch._C.DisableTorchFunction():
                return call(*args, **kwargs)
        if not torch._C._is_any_autocast_enabled():
            return function(*args, **kwargs)
        device = _device_type(args, kwargs)
        if device is None or not torch.is_autocast_enabled(device):
            return function(*args, **kwargs)
        chosen = autocast(*args, **kwargs) if callable(autocast) else autocast
        policy = chosen.get(device) if isinstance(chosen, Mapping) else chosen
        if policy == "composed":
            return function(*args, **kwargs)
        dtype = _target_dtype(policy, device, args, kwargs)
        with torch.autocast(device, enabled=False):
            return function(*(_cast(a, dtype) for a in args), **{k: _cast(v, dtype) for k, v in kwargs.items()})

    return call


def _device_type(args: tuple, kwargs: dict) -> str | None:
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            # autocast knows no "meta" device; such a tensor has nothing to be cast for
            return None if value.device.type == "meta" else value.device.type
    return None


def _target_dtype(policy: Policy | None, device: str, args: tuple, kwargs: dict) -> torch.dtype | None:
    if policy == "lower":
        return torch.get_autocast_dtype(device)
    if policy == "float32":
        return torch.float32
    if policy == "widest":
        dtypes = [v.dtype for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor) and v.is_floating_point()]
        return functools.reduce(torch.promote_types, dtypes) if dtypes else None
    return None


def _cast(value: Any, dtype: torch.dtype | None) -> Any:
    if isinstance(value, list | tuple) and any(isinstance(one, torch.Tensor) for one in value):
        return [_cast(one, dtype) for one in value]
    # float64 stays: autocast casts only the floating dtypes that it chooses between
    if dtype is None or not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return value if value.dtype in (dtype, torch.float64) else value.to(dtype)
