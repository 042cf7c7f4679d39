"""torch's fused path through a Transformer encoder, which calls none of the layer's children."""

from typing import Any

from torch import nn

from conceptlab.core import HeldFunction, Tiered
from conceptlab.swapping.classes import core_class
from conceptlab.swapping.places import places
from conceptlab.swapping.report import SwapReport


def leave_fast_paths(root: Any, report: SwapReport) -> None:
    """Keep encoder layers with swapped parts from the fused path, by the attributes with which torch closes it."""
    left = []
    for place in places(root):
        module, name = place.module, place.name or "the root"
        if isinstance(module, nn.TransformerEncoderLayer) and module.activation_relu_or_gelu and _has_swapped(module):
            left.append(name)
            if not isinstance(module, Tiered):
                _set(module, "activation_relu_or_gelu", 0, report)
        elif isinstance(module, nn.MultiheadAttention) and isinstance(module, Tiered):
            left.append(name)
        elif isinstance(module, nn.TransformerEncoder) and module.use_nested_tensor and _has_swapped(module):
            if not isinstance(module, Tiered):
                _set(module, "use_nested_tensor", False, report)  # its nested tensors are for the fused path only
        elif type(module) is nn.MultiheadAttention and _has_swapped(module):
            report.notes.append(f"{name}: torch's MultiheadAttention reads out_proj's weight and never calls it.")
    if left:
        report.notes.append(
            f"{', '.join(left)}: torch's fused path (in eval mode, without gradients) would bypass the swapped parts, "
            "and is left."
        )


def _has_swapped(module: nn.Module) -> bool:
    return any(
        not core_class(type(below)).__module__.startswith("torch.nn.modules")
        or any(isinstance(value, HeldFunction) for value in vars(below).values())
        for below in module.modules()
    )


def _set(module: nn.Module, name: str, value: Any, report: SwapReport) -> None:
    before = getattr(module, name)
    report.on_undo(lambda: setattr(module, name, before))
    setattr(module, name, value)
