"""The layers of batch normalization, and torch's other spellings of the functions."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.modules._functions import SyncBatchNorm as _TorchSync

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
        return self._normalize(input, running_mean, running_var, from_batch, 0.0 if momentum is None else momentum)

    def _normalize(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        from_batch: bool,
        momentum: float,
    ) -> Tensor:
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


class SyncBatchNorm(_BatchNorm, torch.nn.SyncBatchNorm):
    """Batch normalization (B, C, \\*) whose batch, in training, is that of all processes of ``process_group``.

    Without several processes it is ordinary batch normalization. torch's own needs a GPU for several; this one works
    on whatever device their connection serves.

    >>> SyncBatchNorm(1)(torch.tensor([[1.0], [3.0]])).detach()
    tensor([[-1.0000],
            [ 1.0000]])
    """

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        self._check_non_zero_input_channels(input)
        return super().forward(input)

    def _normalize(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        from_batch: bool,
        momentum: float,
    ) -> Tensor:
        together = self.training and dist.is_available() and dist.is_initialized()
        if not together or dist.get_world_size(self.process_group) == 1:
            return super()._normalize(input, running_mean, running_var, from_batch, momentum)
        return self.ops._sync_batch_norm(
            input, running_mean, running_var, self.weight, self.bias, momentum, self.eps, self.process_group
        )

    @classmethod
    def convert_sync_batchnorm(cls, module: torch.nn.Module, process_group: Any = None) -> torch.nn.Module:
        """``module`` with all its batch normalizations replaced by this one, those by hand in the tier they have.

        >>> SyncBatchNorm.convert_sync_batchnorm(BatchNorm2d(3, tier="naive")).tier
        'naive'
        """
        tiers = {name: layer.tier for name, layer in module.named_modules() if isinstance(layer, Tiered)}
        module = super().convert_sync_batchnorm(module, process_group)
        for name, layer in module.named_modules():
            if type(layer) is torch.nn.SyncBatchNorm:  # of torch's own method, which knows no other
                layer.__class__ = cls
                layer.tier = tiers.get(name, "handmade")  # type: ignore[assignment]
        return module


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


def torch_sync_batch_norm(  # pragma: no cover  (on GPUs only)
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    process_group: Any,
) -> Tensor:
    """torch's own, which is no public function."""
    group = process_group or dist.group.WORLD
    world_size = dist.get_world_size(group)
    return _TorchSync.apply(input, weight, bias, running_mean, running_var, eps, momentum, group, world_size)
