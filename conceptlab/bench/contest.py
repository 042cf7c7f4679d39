"""One case, ready to run: torch's own and a tier's, on the same inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from conceptlab.core import Part
from conceptlab.core.samples import Case
from conceptlab.verify.target import Target

SEED = 7


@dataclass
class Contestant:
    """One implementation of a case.

    Attributes:
        forward: the call.
        backward: forward, then backward; None where there is nothing to differentiate.
    """

    forward: Callable[[], Any]
    backward: Callable[[], Any] | None


def contestant(part: Part, tier: str, case: Case, *, device: str = "cpu", compiled: bool = False) -> Contestant:
    """A tier's implementation of ``case``; ``"builtin"`` is torch's own, or what stands in its place."""
    torch.manual_seed(SEED)
    if "torch.optim" in part.home:
        return Contestant(_step(part, tier, case, device), None)
    args = tuple(_on(value, device) for value in case.inputs())
    function = _function(part, tier, case, device)
    if compiled:
        function = torch.compile(function, fullgraph=True)
    tensors = [a for a in args if isinstance(a, Tensor) and a.is_floating_point()]
    # all, unless the case says which: running statistics, for instance, have no gradient
    leaves = [a for a in tensors if a.requires_grad] or tensors
    if Target(part, part.torch).kind not in ("layer", "function"):
        return Contestant(partial(function, *args, **case.kwargs), None)
    for leaf in leaves:
        leaf.requires_grad_()
    if isinstance(function, nn.Module):
        leaves += list(function.parameters())
    forward = partial(function, *args, **case.kwargs)
    outputs = _differentiable(forward())
    if not outputs:
        return Contestant(forward, None)
    leaves = [leaf for leaf in leaves if _depends(outputs, leaf)]
    upstream = [torch.randn_like(y) for y in outputs]

    def backward() -> tuple[Tensor, ...]:
        return torch.autograd.grad(_differentiable(forward()), leaves, upstream)

    return Contestant(forward, backward)


def _function(part: Part, tier: str, case: Case, device: str) -> Callable:
    if not part.is_class:
        return part.torch if tier == "builtin" else part.tiers[tier]
    if tier == "builtin":
        made = part.torch(*case.init_args, **case.init_kwargs)
    else:
        made = part.tiers[tier](*case.init_args, **case.init_kwargs, tier=tier)
    return made.to(device) if isinstance(made, nn.Module) else made


def _step(part: Part, tier: str, case: Case, device: str) -> Callable[[], Any]:
    parameters = [nn.Parameter(_on(value, device)) for value in case.inputs()]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    extra = {} if tier == "builtin" else {"tier": tier}
    optimizer = (part.torch if tier == "builtin" else part.tiers[tier])(
        parameters, *case.init_args, **case.init_kwargs, **extra
    )
    return optimizer.step


def _differentiable(output: Any) -> list[Tensor]:
    return [t for t in tree_flatten(output)[0] if isinstance(t, Tensor) and t.requires_grad]


def _depends(outputs: list[Tensor], leaf: Tensor) -> bool:
    (gradient,) = torch.autograd.grad(
        outputs, leaf, [torch.ones_like(y) for y in outputs], allow_unused=True, retain_graph=True
    )
    return gradient is not None


def _on(value: Any, device: str) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value
