"""Exchanging parts: in objects that exist (`swap`), in functions that are called (`use`), and what ran (`audit`)."""

import importlib
from typing import TYPE_CHECKING, Any

# at once: a later import of the module of that name would take the function's place
from conceptlab.swapping.audit import audit
from conceptlab.swapping.functions import use
from conceptlab.swapping.objects import swap
from conceptlab.swapping.report import Skipped, Swapped, SwapReport

if TYPE_CHECKING:
    from conceptlab.swapping.callback import SwapParts

__all__ = ["Skipped", "SwapParts", "SwapReport", "Swapped", "audit", "swap", "use"]


def __getattr__(name: str) -> Any:
    if name == "SwapParts":  # imports lightning, which takes seconds
        return importlib.import_module("conceptlab.swapping.callback").SwapParts
    raise AttributeError(f"module 'conceptlab.swapping' has no attribute {name!r}")
