"""`swap`: exchange the parts of a model, an optimizer or a transform that already exists."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from conceptlab.core import Parts, message
from conceptlab.swapping.modules import swap_modules
from conceptlab.swapping.optimizers import swap_optimizer
from conceptlab.swapping.report import SwapReport

Only = str | Iterable[str] | Callable[[str], bool]


def swap(
    target: nn.Module | Optimizer,
    parts: "str | Mapping[str, Any] | Parts",
    *,
    only: Only | None = None,
    functions: bool = False,
    strict: bool = False,
) -> SwapReport:
    report = SwapReport()
    if isinstance(target, nn.Module):
        swap_modules(target, Parts(parts), report)
    elif isinstance(target, Optimizer):
        swap_optimizer(target, Parts(parts), report)
    else:
        raise TypeError(
            message(
                "swap",
                expected="a torch.nn.Module, an optimizer or a v2 transform",
                received=repr(type(target)),
                remedy="For functions there is conceptlab.use.",
            )
        )
    return report
