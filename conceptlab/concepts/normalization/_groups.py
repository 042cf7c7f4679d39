"""The layers of group and instance normalization, and torch's other spellings of the functions."""

from collections.abc import Callable

import torch
from torch import Tensor

from conceptlab.concepts.normalization._batch import WithStatistics
from conceptlab.core import Tiered, message, warn


class GroupNorm(Tiered, torch.nn.GroupNorm):
    """Group normalization: the channels of a sample, divided into ``num_groups``.

    >>> GroupNorm(1, 2)(torch.tensor([[[1.0], [3.0]]])).flatten().detach()
    tensor([-1.0000,  1.0000])
    """

    def reset_parameters(self) -> None:
        if self.affine:
            self.ops.ones_(self.weight)
            if self.bias is not None:
                self.ops.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class _InstanceNorm(WithStatistics):
    """What the three have in common; they differ in the number of axes that they accept."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        self._check_channels(input)
        is_batch = input.dim() > self._get_no_batch_dim()
        y = self.ops.instance_norm(
            input if is_batch else input.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y if is_batch else y.squeeze(0)

    def _check_channels(self, input: Tensor) -> None:
        dim = input.dim() - self._get_no_batch_dim()
        if input.shape[dim] == self.num_features:
            return
        if self.affine:
            where = f"{type(self).__name__}: expected input's size at dim={dim} to match num_features"
            remedy = "Construct it with the number of channels of the input."
            received = str(input.shape[dim])
            raise ValueError(message(where, expected=str(self.num_features), received=received, remedy=remedy))
        # torch's words, which a filter may look for
        warn(
            f"input's size at dim={dim} does not match num_features. You can silence this warning by not passing in "
            "num_features, which is not used because affine=False",
            stacklevel=3,
        )


class InstanceNorm1d(_InstanceNorm, torch.nn.InstanceNorm1d):
    """Instance normalization of sequences (B, C, T) or (C, T).

    >>> InstanceNorm1d(1)(torch.tensor([[1.0, 3.0]]))
    tensor([[-1.0000,  1.0000]])
    """


class InstanceNorm2d(_InstanceNorm, torch.nn.InstanceNorm2d):
    """Instance normalization of images (B, C, H, W) or (C, H, W).

    >>> norm = InstanceNorm2d(3, track_running_stats=True, momentum=0.5)
    >>> norm(torch.full((2, 3, 4, 4), 6.0)).shape
    torch.Size([2, 3, 4, 4])
    >>> norm.running_mean
    tensor([3., 3., 3.])
    """


class InstanceNorm3d(_InstanceNorm, torch.nn.InstanceNorm3d):
    """Instance normalization of volumes (B, C, D, H, W) or (C, D, H, W).

    >>> InstanceNorm3d(2)(torch.ones(1, 2, 4, 4, 4)).shape
    torch.Size([1, 2, 4, 4, 4])
    """


def torch_group_norm(
    function: Callable,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    return function(input, num_groups, weight, bias, eps)


def torch_instance_norm(
    function: Callable,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    return function(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
