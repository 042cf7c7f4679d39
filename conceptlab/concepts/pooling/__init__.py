r"""Pooling: let a window stand for all its values, by the largest or by the mean.

A window of ``kernel_size`` values, ``dilation`` apart, moves over the input in steps of ``stride``. Along one axis,
with $n$ values, output $o$ looks at the places

$$ i(o, t) = o\, s - p + t\, d, \qquad t = 0 \dots k - 1 $$

where $k$ is ``kernel_size``, $s$ ``stride``, $p$ ``padding`` and $d$ ``dilation``. There are
$\lfloor (n + 2p - d (k - 1) - 1) / s \rfloor + 1$ outputs; with ``ceil_mode`` the fraction is rounded up, so that a
last window may hang over the edge, but not start beyond it. In two and three dimensions every axis has its own four
numbers.

| function | output |
|---|---|
| ``max_pool`` | the largest of the window; what lies outside counts as $-\infty$ |
| ``avg_pool`` | the sum of the window, by the number of its values; what lies outside counts as 0 |
| ``adaptive_max_pool``, ``adaptive_avg_pool`` | the same of ``output_size`` windows that cover the axis |

The number of values of a mean is that of all within input and padding, or with ``count_include_pad=False`` of those
within the input, or ``divisor_override``. Adaptive window $o$ of $O$ reaches from $\lfloor o\, n / O \rfloor$ up to
$\lceil (o + 1)\, n / O \rceil$, exclusively.

Shapes: ([B,] C, T), ([B,] C, H, W) or ([B,] C, D, H, W); the result the same with the new lengths. With
``return_indices`` comes the place of each maximum in its flattened channel: the first of equals; NaN counts as the
largest, and the last NaN is named. Training and evaluation are the same.

Precision: means of halves are summed up in float32. Under autocast on a CPU the 3-D kinds run in float32.

Sources: LeCun et al., *Gradient-based learning applied to document recognition*, 1998; Lin, Chen, Yan, *Network in
network*, 2014 (global average pooling); He et al., *Spatial pyramid pooling*, 2015 (adaptive).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered
from conceptlab.core.autocast import Policy

Sizes = int | Sequence[int]


class _MaxPool(Tiered):
    def _pool(self, function: Callable, input: Tensor) -> Any:
        window = self.kernel_size, self.stride, self.padding, self.dilation
        return function(input, *window, ceil_mode=self.ceil_mode, return_indices=self.return_indices)


class MaxPool1d(_MaxPool, torch.nn.MaxPool1d):
    """The largest value of each window of sequences ([B,] C, T).

    >>> MaxPool1d(2)(torch.zeros(1, 4)).shape
    torch.Size([1, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return self._pool(self.ops.max_pool1d, input)


class MaxPool2d(_MaxPool, torch.nn.MaxPool2d):
    """The largest value of each window of images ([B,] C, H, W).

    >>> MaxPool2d(2)(torch.zeros(1, 4, 4)).shape
    torch.Size([1, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return self._pool(self.ops.max_pool2d, input)


class MaxPool3d(_MaxPool, torch.nn.MaxPool3d):
    """The largest value of each window of volumes ([B,] C, D, H, W).

    >>> MaxPool3d(2)(torch.zeros(1, 4, 4, 4)).shape
    torch.Size([1, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return self._pool(self.ops.max_pool3d, input)


class AvgPool1d(Tiered, torch.nn.AvgPool1d):
    """The mean of each window of sequences ([B,] C, T).

    >>> AvgPool1d(2)(torch.ones(1, 4)).sum()
    tensor(2.)
    """

    def forward(self, input: Tensor) -> Tensor:
        window = self.kernel_size, self.stride, self.padding
        return self.ops.avg_pool1d(input, *window, self.ceil_mode, self.count_include_pad)


class AvgPool2d(Tiered, torch.nn.AvgPool2d):
    """The mean of each window of images ([B,] C, H, W).

    >>> AvgPool2d(2)(torch.ones(1, 4, 4)).sum()
    tensor(4.)
    """

    def forward(self, input: Tensor) -> Tensor:
        window = self.kernel_size, self.stride, self.padding
        return self.ops.avg_pool2d(input, *window, self.ceil_mode, self.count_include_pad, self.divisor_override)


class AvgPool3d(Tiered, torch.nn.AvgPool3d):
    """The mean of each window of volumes ([B,] C, D, H, W).

    >>> AvgPool3d(2)(torch.ones(1, 4, 4, 4)).sum()
    tensor(8.)
    """

    def forward(self, input: Tensor) -> Tensor:
        window = self.kernel_size, self.stride, self.padding
        return self.ops.avg_pool3d(input, *window, self.ceil_mode, self.count_include_pad, self.divisor_override)


class AdaptiveMaxPool1d(Tiered, torch.nn.AdaptiveMaxPool1d):
    """The largest values of ``output_size`` windows of sequences ([B,] C, T).

    >>> AdaptiveMaxPool1d(3)(torch.zeros(1, 4)).shape
    torch.Size([1, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return self.ops.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(Tiered, torch.nn.AdaptiveMaxPool2d):
    """The largest values of ``output_size`` windows of images ([B,] C, H, W).

    >>> AdaptiveMaxPool2d(3)(torch.zeros(1, 4, 4)).shape
    torch.Size([1, 3, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return self.ops.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(Tiered, torch.nn.AdaptiveMaxPool3d):
    """The largest values of ``output_size`` windows of volumes ([B,] C, D, H, W).

    >>> AdaptiveMaxPool3d(3)(torch.zeros(1, 4, 4, 4)).shape
    torch.Size([1, 3, 3, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return self.ops.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(Tiered, torch.nn.AdaptiveAvgPool1d):
    """The means of ``output_size`` windows of sequences ([B,] C, T).

    >>> AdaptiveAvgPool1d(1)(torch.ones(1, 4)).flatten()
    tensor([1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(Tiered, torch.nn.AdaptiveAvgPool2d):
    """The means of ``output_size`` windows of images ([B,] C, H, W).

    >>> AdaptiveAvgPool2d(1)(torch.ones(1, 4, 4)).flatten()
    tensor([1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(Tiered, torch.nn.AdaptiveAvgPool3d):
    """The means of ``output_size`` windows of volumes ([B,] C, D, H, W).

    >>> AdaptiveAvgPool3d(1)(torch.ones(1, 4, 4, 4)).flatten()
    tensor([1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.adaptive_avg_pool3d(input, self.output_size)


def _max_with_indices(
    function: Callable,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    return function(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)


def _adaptive_with_indices(
    function: Callable, input: Tensor, output_size: Sizes, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    return function(input, output_size, return_indices=True)


_nn = torch._C._nn


def _without_indices(*args: object, return_indices: bool = False, **kwargs: object) -> Mapping[str, Policy] | None:
    """torch's `max_pool3d` has a policy; the operation that it calls for the indices has none."""
    return None if return_indices or args[6:7] == (True,) else {"cpu": "float32"}


CONCEPT = Concept(
    title="pooling",
    home=F,
    functions={
        "max_pool1d": Function(
            also={
                torch.max_pool1d: None,
                torch.max_pool1d_with_indices: _max_with_indices,
                F.max_pool1d_with_indices: _max_with_indices,
            }
        ),
        "max_pool2d": Function(
            also={
                torch.max_pool2d: None,
                _nn.max_pool2d_with_indices: _max_with_indices,
                F.max_pool2d_with_indices: _max_with_indices,
            }
        ),
        "max_pool3d": Function(
            also={
                torch.max_pool3d: None,
                _nn.max_pool3d_with_indices: _max_with_indices,
                F.max_pool3d_with_indices: _max_with_indices,
            },
            autocast=_without_indices,
        ),
        "avg_pool1d": Function(),
        "avg_pool2d": Function(),
        "avg_pool3d": Function(autocast={"cpu": "float32"}),
        "adaptive_max_pool1d": Function(
            also={
                torch.adaptive_max_pool1d: _adaptive_with_indices,
                F.adaptive_max_pool1d_with_indices: _adaptive_with_indices,
            }
        ),
        "adaptive_max_pool2d": Function(
            also={
                _nn.adaptive_max_pool2d: _adaptive_with_indices,
                F.adaptive_max_pool2d_with_indices: _adaptive_with_indices,
            }
        ),
        "adaptive_max_pool3d": Function(
            also={
                _nn.adaptive_max_pool3d: _adaptive_with_indices,
                F.adaptive_max_pool3d_with_indices: _adaptive_with_indices,
            },
            autocast={"cpu": "float32"},
        ),
        "adaptive_avg_pool1d": Function(),
        "adaptive_avg_pool2d": Function(also={_nn.adaptive_avg_pool2d: None}),
        "adaptive_avg_pool3d": Function(also={_nn.adaptive_avg_pool3d: None}, autocast={"cpu": "float32"}),
    },
    classes={
        MaxPool1d: "max_pool1d",
        MaxPool2d: "max_pool2d",
        MaxPool3d: "max_pool3d",
        AvgPool1d: "avg_pool1d",
        AvgPool2d: "avg_pool2d",
        AvgPool3d: "avg_pool3d",
        AdaptiveMaxPool1d: "adaptive_max_pool1d",
        AdaptiveMaxPool2d: "adaptive_max_pool2d",
        AdaptiveMaxPool3d: "adaptive_max_pool3d",
        AdaptiveAvgPool1d: "adaptive_avg_pool1d",
        AdaptiveAvgPool2d: "adaptive_avg_pool2d",
        AdaptiveAvgPool3d: "adaptive_avg_pool3d",
    },
)
