"""Convolution by its definition: the weighted sum of each window, one window after the other."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from conceptlab.core import declare

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
