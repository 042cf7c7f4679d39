"""Pooling by its definition: one window after the other. The derivatives are left to autograd."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import torch
from torch import Tensor

Sizes = int | Sequence[int]
Span = tuple[range, int]
"""The places of a window along one axis that lie inside of the input, and the number that it counts as."""


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    return _maxima(input, _sliding(1, input, kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    return _maxima(input, _sliding(2, input, kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    return _maxima(input, _sliding(3, input, kernel_size, stride, padding, dilation, ceil_mode), return_indices)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    return _means(input, _sliding(1, input, kernel_size, stride, padding, 1, ceil_mode, count_include_pad))


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    return _means(
        input, _sliding(2, input, kernel_size, stride, padding, 1, ceil_mode, count_include_pad), divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    return _means(
        input, _sliding(3, input, kernel_size, stride, padding, 1, ceil_mode, count_include_pad), divisor_override
    )


def adaptive_max_pool1d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    return _maxima(input, _adaptive(1, input, output_size), return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    return _maxima(input, _adaptive(2, input, output_size), return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    return _maxima(input, _adaptive(3, input, output_size), return_indices)


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    return _means(input, _adaptive(1, input, output_size))


def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    return _means(input, _adaptive(2, input, output_size))


def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    return _means(input, _adaptive(3, input, output_size))


def _means(input: Tensor, axes: list[list[Span]], divisor_override: int | None = None) -> Tensor:
    if divisor_override == 0:
        raise RuntimeError("avg_pool: divisor must be not zero.")

    def mean(window: Tensor, count: int) -> Tensor:
        rounding = None if window.is_floating_point() else "trunc"
        return torch.div(
            window.sum(-1), count if divisor_override is None else divisor_override, rounding_mode=rounding
        )

    return _pooled(input, axes, lambda window, count, _: mean(window, count))


def _maxima(input: Tensor, axes: list[list[Span]], return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    if 0 in input.shape[1:]:
        raise RuntimeError(f"max_pool: Expected no empty axis but the first (batch mode), not {tuple(input.shape)}.")

    def winner(window: Tensor) -> Tensor:
        best = torch.zeros_like(window[..., 0], dtype=torch.long)
        for t in range(1, window.shape[-1]):
            value, largest = window[..., t], window.gather(-1, best.unsqueeze(-1)).squeeze(-1)
            best = best.masked_fill((value > largest) | value.isnan(), t)
        return best

    def largest(window: Tensor, _count: int, _places: Tensor) -> Tensor:
        return window.gather(-1, winner(window).unsqueeze(-1)).squeeze(-1)

    output = _pooled(input, axes, largest)
    if not return_indices:
        return output
    return output, _pooled(input.detach(), axes, lambda window, _, places: places[winner(window)])


def _pooled(input: Tensor, axes: list[list[Span]], function: Callable[[Tensor, int, Tensor], Tensor]) -> Tensor:
    """``function`` of every window: its values as the last axis, its count, and its places in the flat channel."""
    rank = len(axes)
    numbers = torch.arange(input[(0,) * (input.dim() - rank)].numel() if input.numel() else 0)
    places = numbers.reshape(input.shape[-rank:]) if input.numel() else None
    outputs = []
    for spans in product(*axes):
        values, inside, count = input, places, 1
        for axis, (span, number) in enumerate(spans, start=-rank):
            index = torch.tensor(list(span), dtype=torch.long)
            values = values.index_select(axis, index)
            inside = inside if inside is None else inside.index_select(axis, index)
            count *= number
        flat = torch.arange(0) if inside is None else inside.flatten()
        outputs.append(function(values.flatten(-rank), count, flat))
    shape = (*input.shape[:-rank], *(len(spans) for spans in axes))
    output = torch.stack(outputs, dim=-1).reshape(shape) if outputs else input.new_zeros(shape)
    if input.dim() == 4 and input.is_contiguous(memory_format=torch.channels_last):
        return output.contiguous(memory_format=torch.channels_last)
    return output


def _sliding(
    rank: int,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    count_include_pad: bool = True,
) -> list[list[Span]]:
    _check_input(rank, input, input.shape[-rank - 1 :])
    per_axis = zip(
        *(
            _numbers(rank, v)
            for v in (kernel_size, kernel_size if stride in (None, (), []) else stride, padding, dilation)
        ),
        strict=True,
    )
    axes = []
    for n, (k, s, p, d) in zip(input.shape[-rank:], per_axis, strict=True):
        if s == 0 or d <= 0 or p < 0 or p > k // 2:
            raise RuntimeError(
                f"pooling: stride should not be zero, dilation should be greater than zero, pad must be non-negative "
                f"and at most half of kernel size, but got {k, s, p, d}."
            )
        starts = list(_starts(n, k, s, p, d, ceil_mode))
        if not starts:
            raise RuntimeError(f"pooling: Output size is too small: kernel {k} over {n} values.")
        margin = p if count_include_pad else 0
        axes.append(
            [
                (
                    range(start + d * max(0, -(start // d)), min(start + d * (k - 1) + 1, n), d),
                    min(start + k, n + margin) - max(start, -margin),
                )
                for start in starts
            ]
        )
    return axes


def _starts(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> Iterator[int]:
    start = -p
    while start + d * (k - 1) < n + p or (ceil_mode and start < n and start + d * (k - 1) < n + p + s - 1):
        yield start
        start += s


def _adaptive(rank: int, input: Tensor, output_size: Sizes) -> list[list[Span]]:
    if rank > 1 and not isinstance(output_size, int) and input.dim() <= rank:
        raise ValueError(f"adaptive pooling: Input dimension should be at least {rank + 1}, not {input.dim()}.")
    _check_input(rank, input, input.shape[-rank:])
    outs = (output_size,) * rank if isinstance(output_size, int) or output_size is None else tuple(output_size)
    if len(outs) != rank or any(out is not None and out < 0 for out in outs):
        raise RuntimeError(f"adaptive pooling: output_size must be {rank} numbers of at least 0, not {output_size}.")
    axes = []
    for n, given in zip(input.shape[-rank:], outs, strict=True):
        out = n if given is None else given
        windows = [range(o * n // out, -(-(o + 1) * n // out)) for o in range(out)]
        axes.append([(window, len(window)) for window in windows])
    return axes


def _numbers(rank: int, value: Sizes) -> tuple[int, ...]:
    numbers = (value,) * rank if isinstance(value, int) else tuple(value)
    numbers = numbers * rank if len(numbers) == 1 else numbers
    if len(numbers) != rank:
        raise RuntimeError(f"pooling: expected an int or a tuple of {rank} ints, received {value}.")
    return numbers


def _check_input(rank: int, input: Tensor, sizes: Sequence[int]) -> None:
    if input.dim() not in (rank + 1, rank + 2) or 0 in sizes:
        raise RuntimeError(f"pooling: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor, not {input.shape}.")
