"""Inputs for ReLU and its kin that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_IN_PLACE = ("relu", "relu6", "hardtanh", "threshold", "leaky_relu", "elu", "selu", "celu")
# torch's gradient at NaN is 0 for most elements of these, and not for the last few, which are no full vector
_TWO_ENDS = ("relu6", "hardtanh", "ReLU6", "Hardtanh")
_CLASSES = {
    **dict.fromkeys(("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "Hardtanh"), ()),
    "Threshold": (0.1, 20.0),
}


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Extremes and kinks, images, and the same in place."""
    extremes = [0.0, -0.0, math.inf, -math.inf, 1.0, -1.0, 6.0, 1e30, -1e30]
    if part not in _TWO_ENDS:
        extremes += [math.nan, -math.nan]  # NaN has a sign, too
    inputs = {
        "extremes": torch.tensor(extremes, dtype=dtype),
        # by themselves: beside 1e30 nothing else counts in what is added up
        "kinks": torch.tensor([0.0, -0.0, 1.0, -1.0, 6.0, -6.0, 3.0], dtype=dtype),
        "image": torch.randn(2, 3, 5, 4, dtype=dtype),
        "empty": torch.empty(0, 3, dtype=dtype),
    }
    for name, x in inputs.items():
        x.requires_grad_()
        smooth = name not in ("extremes", "kinks")
        if part == "threshold":
            yield Sample(name, (x, 0.1, 20.0), smooth=smooth)
            yield Sample(f"{name}-infinite", (x, 0.1, -math.inf), smooth=smooth)
            yield Sample(f"{name}-inplace", (x, 0.1, 20.0, True), smooth=smooth)
        elif part == "prelu":
            yield Sample(name, (x, torch.tensor([0.3], dtype=dtype, requires_grad=True)), smooth=smooth)
        elif part == "hardtanh":
            yield Sample(f"{name}-half-open", (x, -1.0, math.inf), smooth=smooth)
            yield Sample(f"{name}-one-value", (x, 1.0, 1.0), smooth=smooth)
        elif part == "celu":
            # torch's derivative takes alpha in float32, so that 0.1 would be another number
            for alpha in (2.0, 0.5, -0.5):
                yield Sample(f"{name}, alpha {alpha}", (x, alpha), smooth=smooth)
            yield Sample(f"{name}, alpha 2, in place", (x, 2.0, True), smooth=smooth)
        if part in _CLASSES:
            yield Sample(
                f"{name}-inplace", (x,), init_args=_CLASSES[part], init_kwargs={"inplace": True}, smooth=smooth
            )
        elif part in _IN_PLACE and part != "threshold":
            yield Sample(name, (x,), smooth=smooth)
            yield Sample(f"{name}-inplace", (x,), {"inplace": True}, smooth=smooth)

    if part == "elu":
        yield Sample("flat", (torch.randn(2, 3, dtype=dtype, requires_grad=True), 0.0))
    whole = torch.arange(-5, 10)
    if part in ("relu", "relu6"):
        yield Sample("integers", (whole,))
    elif part == "hardtanh":
        yield Sample("integers", (whole, -2.5, 3.5))
        yield Sample("unsigned", (whole.abs().byte(), 2.0, 6.0))
        yield Sample("unsigned, from 0 on", (whole.abs().byte(), 0.0, 6.0))
    elif part == "threshold":
        yield Sample("integers", (whole, 1, 20))
    elif part == "prelu":
        for name, shape, slopes in (
            ("one channel", (3,), 1),
            ("several", (2, 3), 3),
            ("a slope for all", (2, 3, 4), 1),
        ):
            x, weight = torch.randn(shape, dtype=dtype), torch.rand(slopes, dtype=dtype)
            yield Sample(f"{name}, only the slopes", (x, weight.requires_grad_()))
            yield Sample(f"{name}, only the input", (x.clone().requires_grad_(), weight.detach()))


def refused(part: str) -> Iterator[Sample]:
    """Booleans, integers, complex numbers, limits and slopes that do not fit, a division by 0."""
    if part in ("relu", "leaky_relu", "elu", "selu", "prelu", "celu"):
        more = (torch.ones(1),) if part == "prelu" else ()
        yield Sample("booleans", (torch.tensor([True]), *more))
        if part != "relu":
            yield Sample("integers", (torch.arange(3), *more))
    if part in ("elu", "selu", "celu"):
        yield Sample("complex numbers", (torch.ones(2, dtype=torch.complex64),))
    if part == "celu":
        yield Sample("alpha 0", (torch.ones(2), 0.0))
    if part == "hardtanh":
        yield Sample("limits exchanged", (torch.ones(2), 1.0, 0.0))
        yield Sample("unsigned, negative limits", (torch.ones(2, dtype=torch.uint8),))
    if part == "prelu":
        yield Sample("slopes of another dtype", (torch.ones(2), torch.ones(1, dtype=torch.float64)))
        yield Sample("slopes in rows", (torch.ones(2, 3), torch.ones(1, 3)))
        yield Sample("too few slopes", (torch.ones(2, 3), torch.ones(2)))
        yield Sample("slopes of a vector", (torch.ones(3), torch.ones(3)))
        yield Sample("two slopes of a vector", (torch.ones(2), torch.ones(2)))
        yield Sample("no slopes of a vector", (torch.ones(2), torch.ones(0)))


def _case(part: str, network: str, *shape: int, init_args: tuple = (), more: tuple[Tensor | float, ...] = ()) -> Case:
    return Case(part, network, lambda: (torch.randn(shape), *more), init_args=init_args)


_SHAPES = {
    "LeNet": (64, 6, 28, 28),
    "ResNet-18 (CIFAR)": (16, 64, 32, 32),
    "ResNet-18 (ImageNet)": (4, 128, 28, 28),
    "MLP": (128, 512),
}

BENCH = (
    *(
        _case(part, network, *shape, init_args=args)
        for part, args in {**_CLASSES, "PReLU": ()}.items()
        for network, shape in _SHAPES.items()
    ),
    *(_case(part, "ResNet-18 (CIFAR)", *_SHAPES["ResNet-18 (CIFAR)"]) for part in _IN_PLACE if part != "threshold"),
    _case("threshold", "ResNet-18 (CIFAR)", *_SHAPES["ResNet-18 (CIFAR)"], more=(0.1, 20.0)),
    Case("prelu", "ResNet-18 (CIFAR)", lambda: (torch.randn(_SHAPES["ResNet-18 (CIFAR)"]), torch.full((64,), 0.25))),
)
