"""The layer of local response normalization."""

import torch
from torch import Tensor

from conceptlab.core import Tiered


class LocalResponseNorm(Tiered, torch.nn.LocalResponseNorm):
    """Local response normalization over ``size`` neighbouring channels.

    >>> LocalResponseNorm(2, alpha=2.0, beta=1.0, k=0.0)(torch.tensor([[[3.0], [1.0]]])).flatten()
    tensor([0.3333, 0.1000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.local_response_norm(input, self.size, self.alpha, self.beta, self.k)
