"""Pooling over any number of axes, with derivatives made by hand: windows, means, maxima, a file for each."""

from collections.abc import Sequence

from torch import Tensor

from conceptlab.concepts.pooling.handmade.average import average
from conceptlab.concepts.pooling.handmade.maximum import maximum
from conceptlab.concepts.pooling.handmade.windows import adaptive, sliding

Sizes = int | Sequence[int]


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    windows = sliding("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return maximum("max_pool1d", input, windows, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    windows = sliding("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return maximum("max_pool2d", input, windows, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    windows = sliding("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return maximum("max_pool3d", input, windows, return_indices)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    windows = sliding("avg_pool1d", 1, input, kernel_size, stride, padding, 1, ceil_mode)
    return average("avg_pool1d", input, windows, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    windows = sliding("avg_pool2d", 2, input, kernel_size, stride, padding, 1, ceil_mode)
    return average("avg_pool2d", input, windows, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    windows = sliding("avg_pool3d", 3, input, kernel_size, stride, padding, 1, ceil_mode)
    return average("avg_pool3d", input, windows, count_include_pad, divisor_override)


def adaptive_max_pool1d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    windows = adaptive("adaptive_max_pool1d", 1, input, output_size)
    return maximum("adaptive_max_pool1d", input, windows, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    windows = adaptive("adaptive_max_pool2d", 2, input, output_size)
    return maximum("adaptive_max_pool2d", input, windows, return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    windows = adaptive("adaptive_max_pool3d", 3, input, output_size)
    return maximum("adaptive_max_pool3d", input, windows, return_indices)


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    windows = adaptive("adaptive_avg_pool1d", 1, input, output_size)
    return average("adaptive_avg_pool1d", input, windows)


def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    windows = adaptive("adaptive_avg_pool2d", 2, input, output_size)
    return average("adaptive_avg_pool2d", input, windows)


def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    windows = adaptive("adaptive_avg_pool3d", 3, input, output_size)
    return average("adaptive_avg_pool3d", input, windows)
