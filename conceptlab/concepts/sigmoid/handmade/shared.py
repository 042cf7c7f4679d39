"""What all files of this tier use."""

import torch
from torch import Tensor

from conceptlab.core import require_floating, require_real, room


def real(where: str, input: Tensor) -> Tensor:
    """The input, which has to be real floating-point numbers."""
    require_floating(where, input)
    require_real(where, input)
    return input


def times(v: Tensor, temporary: Tensor) -> Tensor:
    """The product, in the place of the second factor where nothing looks on."""
    return torch.mul(v, temporary, out=room(temporary))
