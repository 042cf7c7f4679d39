"""Inputs for padding that PyTorch's own samples do not reach, and the shapes of its benchmark."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample


def samples(part_name: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Cutting, corners of every mode, empty tensors, memory formats, numbers that are not floating."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()

    if part_name.startswith(("ZeroPad", "ConstantPad")):
        rank = int(part_name[-2])
        value = () if part_name.startswith("Zero") else (1.5,)
        asymmetric = (1, -1, 2, 0, -1, 3)[: 2 * rank]
        yield Sample("asymmetric", (randn(2, 3, *(5, 4, 6)[:rank]),), init_args=(asymmetric, *value))
    if part_name != "pad":
        return
    for mode in ("constant", "reflect", "replicate", "circular"):
        yield Sample(f"{mode}, sequence", (randn(2, 3, 5), (3, 2), mode))
        yield Sample(f"{mode}, images", (randn(2, 3, 5, 4), (2, 3, 1, 4), mode))
        yield Sample(f"{mode}, volumes", (randn(1, 2, 3, 4, 3), (1, 2, 0, 3, 2, 1), mode))
        yield Sample(f"{mode}, cut on one side, pad on the other", (randn(2, 3, 5, 4), (-2, 2, 2, -1), mode))
        yield Sample(f"{mode}, cut", (randn(2, 3, 5, 4), (-1, 0, -2, -1), mode))
        yield Sample(f"{mode}, nothing", (randn(2, 3, 5), (0, 0), mode))
        yield Sample(f"{mode}, empty batch", (randn(0, 3, 5, 4), (1, 1, 2, 1), mode))
        yield Sample(f"{mode}, one channel", (randn(2, 1, 5, 4), (1, 2, 2, 1), mode))
        yield Sample(f"{mode}, integers", (torch.arange(24).reshape(2, 3, 4), (2, 1), mode))
        last = randn(2, 3, 5, 4).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        yield Sample(f"{mode}, channels last, cut", (last, (-1, 2, 1, 0), mode))
    yield Sample("reflect, cut more than there is", (randn(2, 3, 4), (-5, 3), "reflect"))
    yield Sample("replicate, cut more than there is", (randn(2, 3, 4), (-6, 5), "replicate"))
    yield Sample("constant, value", (randn(2, 3), (1, 2, 2, 1), "constant", -2.5))
    yield Sample("constant, infinity", (randn(2, 3), (1, 2), "constant", float("inf")))
    turned = randn(2, 3, 5, 4).detach().contiguous(memory_format=torch.channels_last).transpose(2, 3)
    yield Sample("constant, channels last, turned", (turned.requires_grad_(), (1, 2, 0, 1)))
    between = randn(5, 4, 2, 3).detach().permute(2, 3, 0, 1)
    yield Sample("constant, channels last, the batch between", (between.requires_grad_(), (1, 2, 0, 1)))
    yield Sample("constant, images of one pixel", (randn(2, 3, 1, 1), (1, 2, 0, 1)))
    yield Sample("constant, four axes", (randn(2, 1, 2, 3), (1, 0, 0, 1, 2, 0, 1, 1)))
    yield Sample("constant, no axes", (randn(2, 3), ()))
    yield Sample("constant, no width", (randn(2, 3, 0), (1, 2)))
    yield Sample("constant, Booleans", (torch.tensor([[True, False]]), (1, 1), "constant", 1))
    yield Sample("circular, Booleans", (torch.tensor([[[True, False, False]]]), (1, 1), "circular"))
    yield Sample("constant, a fraction into integers", (torch.tensor([[3, 4]]), (1, 1), "constant", 1.5))


def refused(part_name: str) -> Iterator[Sample]:
    """Lists that do not fit the axes, modes that are none, borders that are too wide, cuts that leave nothing."""
    if part_name != "pad":
        return
    x = torch.ones(2, 3, 4)
    yield Sample("an odd number", (x, (1, 2, 3)))
    yield Sample("more than all axes", (x, (1,) * 8))
    yield Sample("no such mode", (x, (1, 1), "mirror"))
    for cuts in ((-3, -3), (-5, 3), (3, -5), (-5, 0), (2, -7)):
        yield Sample("constant, cut too much", (x, cuts))
    for mode in ("reflect", "replicate", "circular"):
        yield Sample(f"{mode}, cut too much", (x, (-3, -3), mode))
        yield Sample(f"{mode}, a value", (x, (1, 1), mode, 2.0))
        yield Sample(f"{mode}, all axes", (x, (1, 1, 1, 1, 1, 1), mode))
        yield Sample(f"{mode}, no axis", (x, (), mode))
        yield Sample(f"{mode}, no axis of a matrix", (torch.ones(2, 3), (), mode))
        yield Sample(f"{mode}, four axes", (torch.ones(2, 2, 2, 2, 2), (0,) * 8, mode))
        yield Sample(f"{mode}, too many axes before", (torch.ones(2, 2, 3, 4), (1, 1), mode))
    for mode in ("reflect", "replicate"):
        for cuts in ((-2, -2), (-4, 0), (2, -6)):
            yield Sample(f"{mode}, nothing left", (x, cuts, mode))
        yield Sample(f"{mode}, Booleans", (x > 0, (1, 1), mode))
        yield Sample(f"{mode}, no width", (torch.ones(2, 3, 0), (1, 1), mode))
        yield Sample(f"{mode}, no channels", (torch.ones(2, 0, 4), (1, 1), mode))
    for wide in ((4, 0), (0, 4), (9, 0)):
        yield Sample("reflect, wider than the image", (x, wide, "reflect"))
    for wide in ((5, 0), (0, 5)):
        yield Sample("circular, more than one round", (x, wide, "circular"))
    # of several rows torch takes it, and leaves a part of the result unwritten
    for wide in ((-1, 4), (4, -1)):
        yield Sample("circular, more than the cut leaves", (torch.ones(1, 1, 4), wide, "circular"))


def _case(network: str, shape: tuple[int, ...], pad: tuple[int, ...], mode: str) -> Case:
    def inputs() -> tuple[Any, ...]:
        return torch.randn(shape).requires_grad_(), pad, mode

    return Case("pad", network, inputs)


BENCH = (
    _case("CIFAR augmentation, random crop", (64, 3, 32, 32), (4, 4, 4, 4), "constant"),
    _case("ConvNeXt, 7×7 at 56", (4, 96, 56, 56), (3, 3, 3, 3), "constant"),
    _case("CycleGAN, stem", (1, 3, 256, 256), (3, 3, 3, 3), "reflect"),
    _case("CycleGAN, residual block", (1, 256, 64, 64), (1, 1, 1, 1), "reflect"),
    _case("Real-ESRGAN, border", (1, 64, 128, 128), (1, 1, 1, 1), "replicate"),
    _case("spherical CNN, panorama", (4, 32, 64, 128), (2, 2, 2, 2), "circular"),
    _case("WaveNet, causal layer", (8, 64, 1000), (16, 0), "constant"),
)
