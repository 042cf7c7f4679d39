"""Convolution by its definition: the weighted sum of each window, one window after the other.

And the transposed one by its: each element of the input leaves its copy of the kernel in a window of the result.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import declare, wide

ops = declare("nn", "naive")
Numbers = int | Sequence[int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers | str,
    dilation: Numbers,
    groups: int,
) -> Tensor:
    _check(rank, input, weight, bias, groups)
    stride, dilation = _each_axis("stride", stride, rank, 1), _each_axis("dilation", dilation, rank, 1)
    x = input if input.dim() == rank + 2 else input.unsqueeze(0)
    x = ops.pad(x, _borders(weight.shape[2:], stride, padding, dilation))
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    out = [(n - span) // s + 1 for n, span, s in zip(x.shape[2:], spans, stride, strict=True)]
    if x.shape[1] != weight.shape[1] * groups or min(out) < 1:
        raise RuntimeError(f"conv{rank}d: input {tuple(x.shape)} does not go with weight {tuple(weight.shape)}.")

    w = weight.reshape(groups, -1, weight.shape[1:].numel())  # (G, O/G, C/G·K)
    outputs = []
    for place in itertools.product(*map(range, out)):
        corner = [p * s for p, s in zip(place, stride, strict=True)]
        window = x[(..., *(slice(c, c + n, d) for c, n, d in zip(corner, spans, dilation, strict=True)))]
        window = window.reshape(x.shape[0], groups, 1, w.shape[2])
        outputs.append((window * w).sum(-1).reshape(x.shape[0], weight.shape[0]))
    y = torch.stack(outputs, dim=-1).reshape(x.shape[0], weight.shape[0], *out)
    if bias is not None:
        y = y + bias.reshape(-1, *[1] * rank)
    return y if input.dim() == rank + 2 else y.squeeze(0)


def _transposed(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers,
    output_padding: Numbers,
    groups: int,
    dilation: Numbers,
) -> Tensor:
    _check(rank, input, weight, bias, groups)
    stride, dilation = _each_axis("stride", stride, rank, 1), _each_axis("dilation", dilation, rank, 1)
    padding, more = _each_axis("padding", padding, rank, 0), _each_axis("output_padding", output_padding, rank, 0)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise RuntimeError(f"conv_transpose{rank}d: output padding must be smaller than either stride or dilation.")
    x = input if input.dim() == rank + 2 else input.unsqueeze(0)
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    full = [(n - 1) * s + span for n, s, span in zip(x.shape[2:], stride, spans, strict=True)]
    size = [n - 2 * p + m for n, p, m in zip(full, padding, more, strict=True)]
    if x.shape[1] != weight.shape[0] or min(size) < 1 or 0 in x.shape[1:]:
        raise RuntimeError(f"conv_transpose{rank}d: {tuple(x.shape)} does not go with weight {tuple(weight.shape)}.")

    C = weight.shape[0] // groups
    w = weight.reshape(groups, C, *weight.shape[1:])  # (G, C/G, O/G, *kernel)
    canvas = wide(x).new_zeros(x.shape[0], groups, w.shape[2], *(n + m for n, m in zip(full, more, strict=True)))
    for place in itertools.product(*map(range, x.shape[2:])):
        axes = zip(place, stride, spans, dilation, strict=True)
        window: Any = (..., *(slice(p * s, p * s + span, d) for p, s, span, d in axes))
        at: Any = (..., *place)
        pixel = x[at].reshape(x.shape[0], groups, C, *[1] * (rank + 1))  # (B, G, C/G, 1, 1…)
        canvas[window] = canvas[window] + (wide(pixel) * wide(w)).sum(2)
    inside: Any = (..., *(slice(p, p + n) for p, n in zip(padding, size, strict=True)))
    y = canvas.flatten(1, 2)[inside]
    if bias is not None:
        y = y + bias.reshape(-1, *[1] * rank)
    y = y.to(x.dtype).contiguous()
    return y if input.dim() == rank + 2 else y.squeeze(0)


def _each_axis(name: str, value: Numbers, rank: int, lowest: int) -> list[int]:
    numbers = [value] * rank if isinstance(value, int) else list(value) * (rank if len(value) == 1 else 1)
    if len(numbers) != rank or min(numbers) < lowest:
        raise RuntimeError(f"conv{rank}d: {name} should be {rank} numbers of at least {lowest}, received {value}.")
    return numbers


def _borders(kernel: Sequence[int], stride: list[int], padding: Numbers | str, dilation: list[int]) -> list[int]:
    """How many zeros go before and behind each axis, as ``pad`` takes them: the last axis first."""
    if padding == "valid":
        return [0, 0] * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions.")
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [entry for n in reversed(total) for entry in (n // 2, n - n // 2)]
    if isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'.")
    return [entry for p in reversed(_each_axis("padding", padding, len(kernel), 0)) for entry in (p, p)]


def _check(rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    if weight.dim() != rank + 2 or input.dim() not in (rank + 1, rank + 2):
        raise RuntimeError(f"conv{rank}d: received input {tuple(input.shape)} and weight {tuple(weight.shape)}.")
    if any(t is not None and t.dtype != input.dtype for t in (weight, bias)):
        raise RuntimeError(f"conv{rank}d: the types of input ({input.dtype}), weight and bias should be the same.")
    if groups < 1 or weight.shape[0] < groups or weight.shape[0] % groups:
        raise RuntimeError(f"conv{rank}d: {weight.shape[0]} output channels do not fall into {groups} groups.")
