"""The exponential function, as fast as torch has it."""

import math

import torch
from torch import Tensor

_LOG2_E = math.log2(math.e)


def exp(x: Tensor, scale: float = 1.0, *, room: Tensor | None = None) -> Tensor:
    r"""$e^{s x}$ with $s$ the ``scale``, in ``room`` where there is one.

    As $2^{x s \log_2 e}$, which torch computes in a third of the time on some processors; a compiler does better with
    $e^x$ itself. The product rounds by up to $|x|$ ulp, but only where $e^x$ is small beside the largest term, as after
    softmax's shift.

    >>> exp(torch.tensor([0.0, 1.0]), -1)
    tensor([1.0000, 0.3679])
    """
    if torch.compiler.is_compiling():
        return torch.exp(x * scale)
    return torch.mul(x, scale * _LOG2_E, out=room).exp2_()
