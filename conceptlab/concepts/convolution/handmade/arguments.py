"""What the functions of sequences, images and volumes ask of their arguments alike."""

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry
from conceptlab.core import message

Numbers = int | Sequence[int]


def each_axis(name: str, what: str, value: Numbers, rank: int) -> tuple[int, ...]:
    """One number for all axes, or one for each."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    if len(numbers) not in (1, rank):
        refuse(
            f"{name}: expected {what} to be a single integer value or a list of {rank} values to match the convolution "
            "dimensions",
            f"{what} with 1 or {rank} numbers",
            str(value),
            f"Give {what} one number, or one for each axis.",
        )
    return numbers if len(numbers) == rank else numbers * rank


def check_tensors(name: str, rank: int, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if weight.dim() < 3:
        refuse(
            f"{name}: weight should have at least three dimensions",
            f"{rank + 2} axes, two of channels and those of the kernel",
            f"shape {tuple(weight.shape)}",
            "Add the missing axes.",
        )
    if weight.dim() != rank + 2 or input.dim() not in (rank + 1, rank + 2):
        refuse(
            f"{name}: Expected {weight.dim()}-dimensional input for {weight.dim()}-dimensional weight",
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name} and {rank + 2}D weight",
            f"input of size: {list(input.shape)}, weight of size {list(weight.shape)}",
            f"For other numbers of axes it has two sisters: {name[:-2]}1d, {name[:-2]}2d, {name[:-2]}3d.",
        )
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype != input.dtype:
            refuse(
                f"{name}: Input type ({input.dtype}) and {what} type ({other.dtype}) should be the same",
                str(input.dtype),
                str(other.dtype),
                "Convert one of them, for instance with module.to(input.dtype).",
            )
    if input.dtype is torch.bool:
        raise NotImplementedError(
            message(f"{name} not implemented for 'Bool'", expected="numbers", received="bool", remedy="Convert it.")
        )


def check_sizes(
    name: str, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, channels: int, out_channels: int
) -> None:
    """Refuse settings that are out of range, and other numbers of channels than ``weight`` has."""
    G = geometry.groups
    for what, lowest, numbers in (
        ("negative padding is not supported", 0, geometry.padding),
        ("non-positive stride is not supported", 1, geometry.stride),
        ("dilation should be greater than zero", 1, geometry.dilation),
        ("non-positive groups is not supported", 1, (G,)),
    ):
        if min(numbers) < lowest:
            refuse(f"{name}: {what}", f"at least {lowest}", str(numbers), "Choose larger numbers.")
    given = f"{name}: Given groups={G}, weight of size {list(weight.shape)}"
    if weight.shape[0] < G or weight.shape[0] % G:
        refuse(
            f"{given}, expected weight to be at least {G} at dimension 0, and weight.shape[0] divisible by {G}",
            f"a multiple of {G} channels there",
            str(weight.shape[0]),
            "Change groups, or the number of channels.",
        )
    if x.shape[1] != channels:
        refuse(
            f"{given}, expected input{list(x.shape)} to have {channels} channels",
            f"{channels} channels",
            str(x.shape[1]),
            "The input has its channels in axis 1, behind the batch.",
        )
    if bias is not None and bias.shape != (out_channels,):
        refuse(
            f"{given}, expected bias to be 1-dimensional with {out_channels} elements",
            f"shape ({out_channels},)",
            str(tuple(bias.shape)),
            "Give one bias for each output channel.",
        )


def refuse(where: str, expected: str, received: str, remedy: str) -> NoReturn:
    raise RuntimeError(message(where, expected=expected, received=received, remedy=remedy))
