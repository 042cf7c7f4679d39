"""The layers of layer and RMS normalization, and torch's other spellings of the functions."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from conceptlab.core import Tiered


class LayerNorm(Tiered, torch.nn.LayerNorm):
    """Layer normalization over the last axes, as many as ``normalized_shape`` has.

    >>> LayerNorm(2)(torch.tensor([[1.0, 3.0], [5.0, 5.0]])).detach()
    tensor([[-1.0000,  1.0000],
            [ 0.0000,  0.0000]])
    """

    def reset_parameters(self) -> None:
        if self.elementwise_affine:
            self.ops.ones_(self.weight)
            if self.bias is not None:
                self.ops.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Tiered, torch.nn.RMSNorm):
    """RMS normalization over the last axes, as many as ``normalized_shape`` has.

    >>> RMSNorm(2)(torch.tensor([[7.0, 1.0]])).detach()
    tensor([[1.4000, 0.2000]])
    """

    def reset_parameters(self) -> None:
        if self.elementwise_affine:
            self.ops.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)


def torch_layer_norm(
    function: Callable,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    return function(input, normalized_shape, weight, bias, eps)
