"""Batch normalization, wrong in ways that were published."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AXES = (0, 2, 3)


def by_channel(x: Tensor) -> Tensor:
    return x.view(1, -1, 1, 1)


class RightBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization as it should be, in pieces: each class below gets one of them wrong."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if input.shape[1] != self.num_features or input.numel() <= self.num_features or self.eps <= 0:
            return super().forward(input)  # nothing to get wrong here: it is refused, or there are no values
        mean: Any
        variance: Any
        if self.looks_at_the_batch():
            mean, variance = self.moments(input)
            if self.training and self.running_mean is not None:
                self.track(mean, variance, input.numel() // mean.numel())
        else:
            mean, variance = self.running_mean, self.running_var
        y = (input - by_channel(mean)) * by_channel(variance + self.eps).rsqrt()
        y = y if self.weight is None else y * by_channel(self.weight)
        return y if self.bias is None else y + by_channel(self.bias)

    def looks_at_the_batch(self) -> bool:
        return self.training or self.running_mean is None

    def moments(self, input: Tensor) -> tuple[Tensor, Tensor]:
        mean = input.mean(AXES)
        return mean, (input - by_channel(mean)).square().mean(AXES)

    def track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        with torch.no_grad():
            self.follow(mean, variance * count / (count - 1))

    def follow(self, mean: Tensor, variance: Tensor) -> None:
        tracked: Any = self.num_batches_tracked
        tracked += 1
        share = 1 / tracked.item() if self.momentum is None else self.momentum
        running: Any = (self.running_mean, self.running_var)
        self.running_mean = (1 - share) * running[0] + share * mean
        self.running_var = (1 - share) * running[1] + share * variance


class BiasedRunningVariance(RightBatchNorm2d):
    """The running variance follows the variance with 1/N; torch's follows the one with 1/(N − 1)."""

    def track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        with torch.no_grad():
            self.follow(mean, variance)


class StatisticsWithoutGradient(RightBatchNorm2d):
    """Mean and variance are taken under ``no_grad``, as if they did not depend on the input."""

    @torch.no_grad()
    def moments(self, input: Tensor) -> tuple[Tensor, Tensor]:
        return super().moments(input)


class StatisticsNoBuffers(RightBatchNorm2d):
    """The running statistics are plain attributes: neither saved nor moved with the layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("running_mean", "running_var"):
            value = self._buffers.pop(name)
            object.__setattr__(self, name, value)


class ModeFromGradEnabled(RightBatchNorm2d):
    """Whether it is training is read off ``torch.is_grad_enabled()``."""

    def looks_at_the_batch(self) -> bool:
        return torch.is_grad_enabled() or self.running_mean is None


class VarianceByDifference(RightBatchNorm2d):
    """The variance is E[x²] − E[x]², of which nothing is left where the mean is large."""

    def moments(self, input: Tensor) -> tuple[Tensor, Tensor]:
        mean = input.mean(AXES)
        return mean, input.square().mean(AXES) - mean.square()


class StatisticsKeepTheGraph(RightBatchNorm2d):
    """The running statistics are not detached: each step's graph is kept for the next."""

    def track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        self.follow(mean, variance * count / (count - 1))


def batch_norm_by_difference(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """The same as a function."""
    right = F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training or not input.numel():
        return right
    axes, shape = [axis for axis in range(input.dim()) if axis != 1], [1, -1, *[1] * (input.dim() - 2)]
    mean = input.mean(axes)
    variance = input.square().mean(axes) - mean.square()
    y = (input - mean.view(shape)) * (variance + eps).rsqrt().view(shape)
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)
