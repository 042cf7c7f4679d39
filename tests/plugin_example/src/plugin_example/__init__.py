"""A package outside of conceptlab.

- `MyNorm` needs no registration: wherever a part is chosen, write ``BatchNorm2d=plugin_example:MyNorm``.
- The concept `plugin_example.softshrink` and the tier ``einsum`` are found by the entry points in ``pyproject.toml``.
"""

import torch
from torch import Tensor, nn


class MyNorm(nn.BatchNorm2d):
    """Batch normalization as one might write it oneself. Constructor and state_dict are torch's: that is all it takes.

    >>> MyNorm(3)(torch.randn(8, 3, 4, 4)).mean().abs() < 1e-6
    tensor(True)
    """

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if self.training or self.running_mean is None:
            mean = input.mean((0, 2, 3))
            variance = (input - _by_channel(mean)).square().mean((0, 2, 3))
            if self.training and self.track_running_stats:
                self._remember(mean.detach(), variance.detach(), input[:, 0].numel())
        else:
            mean, variance = self.running_mean, self.running_var
        output = (input - _by_channel(mean)) * _by_channel(torch.rsqrt(variance + self.eps))
        if self.weight is not None:
            output = output * _by_channel(self.weight)
        return output if self.bias is None else output + _by_channel(self.bias)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        self.num_batches_tracked.add_(1)
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        if count:  # an empty batch says nothing
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), momentum)


def _by_channel(x: Tensor) -> Tensor:
    return x.reshape(1, -1, 1, 1)
