"""Exchanging parts: in objects that exist (`swap`), in functions that are called (`use`), and what ran (`audit`)."""

from typing import Any

from conceptlab.swapping.functions import use
from conceptlab.swapping.objects import swap
from conceptlab.swapping.report import SwapReport

__all__ = ["SwapParts", "SwapReport", "audit", "swap", "use"]


def __getattr__(name: str) -> Any:
    if name == "SwapParts":  # imports lightning
        from conceptlab.swapping.callback import SwapParts

        return SwapParts
    if name == "audit":
        import importlib

        globals()["audit"] = found = importlib.import_module("conceptlab.swapping.audit").audit
        return found
    raise AttributeError(f"module 'conceptlab.swapping' has no attribute {name!r}")
