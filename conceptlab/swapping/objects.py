"""`swap`: exchange the parts of a model, an optimizer, a scheduler or a transform that already exists."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from conceptlab.core import Parts, message
from conceptlab.swapping.answering import answer_functions
from conceptlab.swapping.modules import swap_modules
from conceptlab.swapping.optimizers import swap_optimizer
from conceptlab.swapping.places import is_container_of_transforms
from conceptlab.swapping.report import SwapReport
from conceptlab.swapping.schedulers import swap_scheduler
from conceptlab.swapping.wanted import Only, Wanted, be_strict


def swap(
    target: Any,
    parts: "str | Mapping[str, Any] | Parts",
    *,
    only: Only | None = None,
    functions: bool = False,
    strict: bool = False,
) -> SwapReport:
    """Exchange the parts of a model, an optimizer, a scheduler or a transform, in place.

    Weights, hooks, names, aliases, tied weights and references stay. A part is exchanged where an object's type *is*
    torch's class, or conceptlab's; the report says what was skipped, and why. ``"builtin"`` gives torch's own class
    back. A user's own class takes the object's place in one of two ways: if it subclasses torch's class and adds no
    constructor, the class is assigned; else an object is built from the constructor's arguments, given the state and
    hooks, and put wherever the old one was held.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> report = swap(model, {"default": "handmade", "ReLU": "naive"})
    >>> print(report)
    Swapped 3:
        2 Linear builtin -> handmade (class): 0, 2
        1 ReLU builtin -> naive (class): 1
    >>> report.undo()
    >>> type(model[0])
    <class 'torch.nn.modules.linear.Linear'>

    Args:
        target: a ``torch.nn.Module``, which may be compiled or wrapped by DDP; an optimizer, with or without a
            scheduler; a scheduler, and with it those that it is made of; a transform of ``torchvision.transforms.v2``,
            or a ``Compose`` of them.
        parts: the parts setting; see `conceptlab.Parts`.
        only: limits it to modules of some qualified names: an fnmatch pattern, several of them, or a function.
        functions: whether also the functions that a model's forward calls are answered, within the limits of `use`:
            checkpointed blocks are recomputed with torch's own. Hooks of the model itself run outside.
        strict: whether to raise, with the target as it was, for anything that would be skipped, and for a key of the
            setting, or a pattern of ``only``, that matches nothing.

    Raises:
        TypeError: the target is no such object, is scripted, or a user's class has not torch's constructor.
        ValueError: the setting is wrong, a user's class has not torch's state_dict, or ``strict`` found something.
    """
    wanted = Wanted(Parts(parts), only)
    is_model = isinstance(target, nn.Module)
    if not is_model and (functions or only is not None):
        raise TypeError(
            message(
                f"swap({type(target).__name__})",
                expected="only= and functions= with a model",
                received=f"only={only!r}, functions={functions}",
                remedy="Leave them out.",
            )
        )
    report = SwapReport()
    try:
        if is_model or is_container_of_transforms(target):
            swap_modules(target, wanted, report)
        elif isinstance(target, Optimizer):
            swap_optimizer(target, wanted, report)
        elif isinstance(target, LRScheduler):
            swap_scheduler(target, wanted, report)
        else:
            raise _no_target(target)
        if functions:
            wanted.meet_functions()
            answer_functions(target, wanted.parts, report)
        if strict:
            be_strict(report, wanted)
    except BaseException:
        report.undo()
        raise
    return report


def _no_target(target: Any) -> TypeError:
    return TypeError(
        message(
            "swap",
            expected="a torch.nn.Module, an optimizer, a scheduler or a transform",
            received=repr(type(target)),
            remedy="For functions there is conceptlab.use.",
        )
    )
