"""A loss that is no number any more: stop, and say where it began."""

from typing import Any

import torch
from torch import Tensor, nn

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message


class NotFinite(Mistake):
    """The loss became NaN or infinite."""


def require_finite(task: Any, batch: tuple[Tensor, Tensor], loss: Tensor) -> None:
    """Refuse a loss that is NaN or infinite.

    Raises:
        NotFinite: it is; the message names the step and the first module whose result is not finite.
    """
    if torch.isfinite(loss):
        return
    raise NotFinite(
        message(
            f"step {task.global_step} (epoch {task.current_epoch})",
            expected="a finite loss",
            received=f"{loss.item()}; {_origin(task.model, task.given(batch))}",
            remedy="A smaller learning rate (optimizer.lr) or trainer.gradient_clip_val=1 may help.",
        )
    )


def _origin(model: nn.Module, given: tuple[Tensor, ...]) -> str:
    """The first thing on the way from the inputs to the loss that is not finite."""
    if not all(map(_finite, given)):
        return "the inputs already are not finite"
    for name, parameter in model.named_parameters():
        if not _finite(parameter):
            return f"the first that is not finite is the parameter '{name}', since the step before"
    found: list[str] = []
    names = {module: name for name, module in model.named_modules()}

    def look(module: nn.Module, _: Any, output: Any) -> None:
        # a container finishes after what is in it, so the innermost module comes first
        first = output[0] if isinstance(output, tuple) else output
        if not found and isinstance(first, Tensor) and not _finite(first):
            found.append(f"the first module whose result is not finite is '{names[module]}' ({type(module).__name__})")

    hooks = [module.register_forward_hook(look) for module in names]
    try:
        with torch.no_grad():
            model(*given)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "every module's result is finite, so it began in the loss itself"


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
