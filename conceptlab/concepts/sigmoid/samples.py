"""Inputs for sigmoid and its kin that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator

import torch

from conceptlab.core.samples import Case, Sample

# torch gives NaN for an infinite input of the others: 0 · ∞
_ENDLESS = ("sigmoid", "tanh", "softplus", "logsigmoid")


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Extremes, values near 0, images, all settings, in place."""
    if part == "SiLU":
        yield Sample("in place", (torch.randn(5, 3, dtype=dtype, requires_grad=True),), init_kwargs={"inplace": True})
    if part == "GELU":
        x = torch.randn(5, 3, dtype=dtype, requires_grad=True)
        yield Sample("by tanh", (x,), init_kwargs={"approximate": "tanh"})
    if part[0].isupper():
        return
    if part in ("sigmoid", "tanh"):
        # their results are exact in float32, which they become
        yield Sample("integers", (torch.tensor([0, 200, -200]),))
    inputs = {
        "extremes": [0.0, -0.0, 1.0, -1.0, 15.0, -15.0, 30.0, -30.0, 900.0, -900.0, math.nan],
        "near 0": [1e-3, -1e-3, 1e-6, -1e-6, 1e-12, 1e-30],
        "empty": [],
    }
    if part in _ENDLESS:
        inputs["endless"] = [math.inf, -math.inf]
    tensors = {name: torch.tensor(values, dtype=dtype) for name, values in inputs.items()}
    for name, x in {**tensors, "image": torch.randn(2, 3, 5, 4, dtype=dtype)}.items():
        yield from _calls(part, name, x.requires_grad_(), smooth=name in ("image", "near 0"))


def refused(part: str) -> Iterator[Sample]:
    """Complex numbers, which these are not for; integers; a way to compute it that nobody knows."""
    if part[0].islower():
        yield Sample("complex numbers", (torch.ones(2, dtype=torch.complex64),))
    if part in ("softplus", "silu", "gelu", "logsigmoid"):
        yield Sample("integers", (torch.arange(3),))
    if part == "gelu":
        yield Sample("no such way", (torch.ones(3),), {"approximate": "sigmoid"})


def _calls(part: str, name: str, x: torch.Tensor, *, smooth: bool) -> Iterator[Sample]:
    yield Sample(name, (x,), smooth=smooth)
    if part == "softplus":
        yield Sample(f"{name}, steep", (x,), {"beta": 3.0, "threshold": 2.0}, smooth=smooth)
        yield Sample(f"{name}, at the threshold", (x, 1.0, 1.0), smooth=smooth)
        yield Sample(f"{name}, falling", (x,), {"beta": -0.5}, smooth=smooth)
    elif part == "silu":
        yield Sample(f"{name}, in place", (x,), {"inplace": True}, smooth=smooth)
    elif part == "gelu":
        yield Sample(f"{name}, by tanh", (x,), {"approximate": "tanh"}, smooth=smooth)


_SHAPES = {
    "GPT-2, MLP": (1, 256, 3072),
    "MobileNetV3 (ImageNet)": (4, 240, 14, 14),
    "EfficientNet-B0 (ImageNet)": (2, 96, 56, 56),
    "LeNet": (64, 6, 28, 28),
}
_CLASSES = ("Sigmoid", "Tanh", "Softplus", "SiLU", "GELU", "LogSigmoid")

BENCH = (
    *(
        Case(part, network, lambda shape=shape: (torch.randn(shape),))
        for part in (*_CLASSES, *map(str.lower, _CLASSES))
        for network, shape in _SHAPES.items()
    ),
    Case("GELU", "GPT-2, MLP, by tanh", lambda: (torch.randn(1, 256, 3072),), init_kwargs={"approximate": "tanh"}),
    Case("gelu", "GPT-2, MLP, by tanh", lambda: (torch.randn(1, 256, 3072),), kwargs={"approximate": "tanh"}),
)
