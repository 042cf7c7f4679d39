"""How a sample's tensors are drawn."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Sample


class Draw:
    """Makes the tensors of a name's samples, of one dtype, the same in every run."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, *shape: int) -> Tensor:
        """Normal numbers, which are differentiated by."""
        return torch.randn(shape, generator=self._generator, dtype=self.dtype).requires_grad_()

    def whole(self, below: int, *shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
        """Whole numbers from 0 on: indices, classes."""
        return torch.randint(below, shape, generator=self._generator, dtype=dtype)


Maker = Callable[[Draw], Iterator[Sample]]
"""Makes the samples of one of torch's names."""
