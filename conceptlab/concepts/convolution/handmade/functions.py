"""Convolution of sequences, images and volumes: arguments as torch takes and refuses them."""

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry
from conceptlab.concepts.convolution.handmade.rules import Convolve
from conceptlab.core import declare, message

ops = declare("nn", "handmade")
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
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers | str,
    dilation: Numbers,
    groups: int,
) -> Tensor:
    _check_tensors(name, rank, input, weight, bias)
    stride, dilation = _each_axis(name, "stride", stride, rank), _each_axis(name, "dilation", dilation, rank)
    if isinstance(padding, str):
        input, padding = _by_name(name, input, weight, stride, padding, dilation)
    geometry = Geometry(stride, _each_axis(name, "padding", padding, rank), dilation, groups)
    batch = input if input.dim() == rank + 2 else input.unsqueeze(0)
    _check_sizes(name, batch, weight, bias, geometry)
    output = Convolve.call(batch, weight, bias, *geometry.flat)
    return output if batch is input else output.squeeze(0)


def _each_axis(name: str, what: str, value: Numbers, rank: int) -> tuple[int, ...]:
    """One number for all axes, or one for each."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    if len(numbers) not in (1, rank):
        _refuse(
            f"{name}: expected {what} to be a single integer value or a list of {rank} values to match the convolution "
            "dimensions",
            f"{what} with 1 or {rank} numbers",
            str(value),
            f"Give {what} one number, or one for each axis.",
        )
    return numbers if len(numbers) == rank else numbers * rank


def _by_name(
    name: str, input: Tensor, weight: Tensor, stride: tuple[int, ...], padding: str, dilation: tuple[int, ...]
) -> tuple[Tensor, tuple[int, ...]]:
    """The input and the padding in numbers that ``'same'`` and ``'valid'`` stand for."""
    if padding not in ("same", "valid"):
        _refuse(f"{name}: Invalid padding string", "'same' or 'valid'", repr(padding), "Or give numbers.")
    if padding == "valid":
        return input, (0,) * len(stride)
    if any(s != 1 for s in stride):
        _refuse(
            f"{name}: padding='same' is not supported for strided convolutions",
            "stride=1",
            f"stride={stride}",
            "Give the padding in numbers.",
        )
    total = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if any(n % 2 for n in total):
        # an odd number of zeros: the last one goes behind
        input = ops.pad(input, [entry for n in reversed(total) for entry in (0, n % 2)])
    return input, tuple(n // 2 for n in total)


def _check_tensors(name: str, rank: int, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if weight.dim() < 3:
        _refuse(
            f"{name}: weight should have at least three dimensions",
            f"{rank + 2} axes, (out_channels, in_channels / groups, *kernel)",
            f"shape {tuple(weight.shape)}",
            "Add the missing axes.",
        )
    if weight.dim() != rank + 2 or input.dim() not in (rank + 1, rank + 2):
        _refuse(
            f"{name}: Expected {weight.dim()}-dimensional input for {weight.dim()}-dimensional weight",
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name} and {rank + 2}D weight",
            f"input of size: {list(input.shape)}, weight of size {list(weight.shape)}",
            f"For other numbers of axes there are {'conv1d, conv2d and conv3d'.replace(name, 'its sisters')}.",
        )
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype != input.dtype:
            _refuse(
                f"{name}: Input type ({input.dtype}) and {what} type ({other.dtype}) should be the same",
                str(input.dtype),
                str(other.dtype),
                "Convert one of them, for instance with module.to(input.dtype).",
            )
    if input.dtype is torch.bool:
        raise NotImplementedError(
            message(f"{name} not implemented for 'Bool'", expected="numbers", received="bool", remedy="Convert it.")
        )


def _check_sizes(name: str, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    out_channels, channels, *kernel = weight.shape
    G = geometry.groups
    for what, lowest, numbers in (
        ("negative padding is not supported", 0, geometry.padding),
        ("non-positive stride is not supported", 1, geometry.stride),
        ("dilation should be greater than zero", 1, geometry.dilation),
        ("non-positive groups is not supported", 1, (G,)),
    ):
        if min(numbers) < lowest:
            _refuse(f"{name}: {what}", f"at least {lowest}", str(numbers), "Choose larger numbers.")
    given = f"{name}: Given groups={G}, weight of size {list(weight.shape)}"
    if out_channels < G or out_channels % G:
        _refuse(
            f"{given}, expected weight to be at least {G} at dimension 0, and weight.shape[0] divisible by {G}",
            f"a multiple of {G} output channels",
            str(out_channels),
            "Change groups, or the number of output channels.",
        )
    if x.shape[1] != channels * G:
        _refuse(
            f"{given}, expected input{list(x.shape)} to have {channels * G} channels",
            f"{channels * G} channels",
            str(x.shape[1]),
            "The input has its channels in axis 1, behind the batch.",
        )
    if bias is not None and bias.shape != (out_channels,):
        _refuse(
            f"{given}, expected bias to be 1-dimensional with {out_channels} elements",
            f"shape ({out_channels},)",
            str(tuple(bias.shape)),
            "Give one bias for each output channel.",
        )
    if min(geometry.out(x.shape[2:], kernel)) < 1 or 0 in x.shape[2:]:
        padded = [n + 2 * p for n, p in zip(x.shape[2:], geometry.padding, strict=True)]
        _refuse(
            f"{name}: Calculated padded input size per channel: {padded}. Kernel size: {kernel}. "
            "Kernel size can't be greater than actual input size",
            "an input that is not empty and at least as large as the dilated kernel",
            f"size {list(x.shape[2:])}",
            "Add padding, or use a smaller kernel.",
        )


def _refuse(where: str, expected: str, received: str, remedy: str) -> NoReturn:
    raise RuntimeError(message(where, expected=expected, received=received, remedy=remedy))
