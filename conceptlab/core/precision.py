"""In which precision a result is computed."""

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """Half precision as float32, in which it is computed; the result is rounded once, when it is stored.

    >>> wide(torch.ones(1, dtype=torch.bfloat16)).dtype, wide(torch.ones(1, dtype=torch.float64)).dtype
    (torch.float32, torch.float64)
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
