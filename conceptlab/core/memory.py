"""Whether a temporary result may be overwritten: fresh memory often costs more than the arithmetic."""

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level
from torch.autograd import forward_ad


def is_recorded() -> bool:
    """Whether something looks on at what is computed: a graph or tangents, for derivatives, a compiler, a transform.

    Where nothing does, in a forward pass or in a backward pass that is not differentiated again, temporary results may
    be overwritten, and a rule's forward be called without the rule.
    """
    return (
        torch.is_grad_enabled()
        or torch.compiler.is_compiling()
        or maybe_current_level() is not None
        or forward_ad._current_level >= 0
    )


def room(temporary: Tensor) -> Tensor | None:
    """The temporary result itself, as ``out=`` of the next operation; None, for a new one, where it `is_recorded`.

    >>> with torch.no_grad():
    ...     half = torch.ones(2) / 2
    ...     torch.mul(half, 3, out=room(half)) is half
    True
    """
    return None if is_recorded() else temporary


def in_pieces(x: Tensor) -> bool:
    """Whether to compute piece by piece, each so small that it stays in a processor's cache.

    A GPU is kept busy, and a compiled graph small, by doing all at once.
    """
    return x.device.type == "cpu" and not torch.compiler.is_compiling()
