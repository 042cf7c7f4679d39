"""``Trainer(gradient_clip_val=…)``: gradients clipped by a part."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import lightning as L
from lightning.pytorch.plugins.precision import Precision
from torch.optim import Optimizer

from conceptlab.core import Parts
from conceptlab.swapping.report import Skipped, Swapped, SwapReport

_METHODS = {"clip_grad_by_norm": "clip_grad_norm_", "clip_grad_by_value": "clip_grad_value_"}
"""Lightning's methods, which call torch's function by its name, where neither a swap nor `use` could reach it."""


def swap_clipping(trainer: L.Trainer, parts: "str | Mapping[str, Any] | Parts") -> SwapReport:
    """Have the Trainer clip gradients as ``parts`` says, until the report's `undo`.

    All ways of Lightning's end in its precision plugin: ``gradient_clip_val``, and ``self.clip_gradients`` in a hook or
    in a training step of one's own. A plugin with a method of its own keeps it.
    """
    parts, plugin, report = Parts(parts), trainer.precision_plugin, SwapReport()
    for method, function in _METHODS.items():
        choice = parts[function]
        if choice is None or choice.tier == "builtin":
            continue
        if choice.implementation is None:
            report.skipped.append(Skipped("trainer", function, choice.reason))
        elif getattr(type(plugin), method) is not getattr(Precision, method):
            report.skipped.append(Skipped("trainer", function, f"{type(plugin).__name__} clips in a way of its own"))
        else:
            setattr(plugin, method, partial(_clip, plugin, choice.implementation))
            report.on_undo(partial(vars(plugin).pop, method, None))
            report.swapped.append(Swapped("trainer", function, "builtin", choice.label, "what its plugin calls"))
    return report


def _clip(plugin: Precision, clip: Callable, optimizer: Optimizer, clip_val: float) -> None:
    clip(plugin.main_params(optimizer), clip_val)
