"""The layers of batch normalization, and torch's other spelling of the function."""

from collections.abc import Callable

import torch
from torch import Tensor

from conceptlab.core import Tiered


class WithStatistics(Tiered):
    """A layer with running statistics, and a weight and a bias for each channel."""

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.affine:
            self.ops.ones_(self.weight)
            if self.bias is not None:
                self.ops.zeros_(self.bias)


class _BatchNorm(WithStatistics):
    """What the three have in common; they differ in the number of axes that they accept."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        if self.training and not self.track_running_stats:
            running_mean = running_var = None  # there may be some, of an earlier time; they stay as they are
        else:
            running_mean, running_var = self.running_mean, self.running_var
        from_batch = self.training or (running_mean is None and running_var is None)
        momentum = 0.0 if momentum is None else momentum
        return self.ops.batch_norm(
            input, running_mean, running_var, self.weight, self.bias, from_batch, momentum, self.eps
        )


class BatchNorm1d(_BatchNorm, torch.nn.BatchNorm1d):
    """Batch normalization of feature vectors (B, C) or sequences (B, C, T).

    >>> BatchNorm1d(1)(torch.tensor([[1.0], [3.0]])).detach()
    tensor([[-1.0000],
            [ 1.0000]])
    """


class BatchNorm2d(_BatchNorm, torch.nn.BatchNorm2d):
    """Batch normalization of images (B, C, H, W).

    >>> norm = BatchNorm2d(3, momentum=0.5)
    >>> norm(torch.full((2, 3, 4, 4), 6.0)).shape
    torch.Size([2, 3, 4, 4])
    >>> norm.running_mean
    tensor([3., 3., 3.])
    """


class BatchNorm3d(_BatchNorm, torch.nn.BatchNorm3d):
    """Batch normalization of volumes (B, C, D, H, W).

    >>> BatchNorm3d(2).eval()(torch.ones(1, 2, 4, 4, 4)).shape
    torch.Size([1, 2, 4, 4, 4])
    """


def torch_batch_norm(
    function: Callable,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    return function(input, running_mean, running_var, weight, bias, training, momentum, eps)
