"""Inputs for sigmoid and its kin that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator

import torch

from conceptlab.core.samples import Case, Sample

# torch gives NaN for an infinite input of the others: 0 · ∞
_ENDLESS = ("sigmoid", "tanh", "softplus", "logsigmoid", "hardsigmoid", "hardswish")
_IN_PLACE = ("silu", "mish", "hardsigmoid", "hardswish")
_IN_PLACE_CLASSES = ("SiLU", "Mish", "Hardsigmoid", "Hardswish")
# whose gradient at NaN torch has now so, now so: it depends on how the input lies in memory
_HARD = ("hardsigmoid", "hardswish")


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Extremes, values near 0, images, all settings, in place."""
    if part in _IN_PLACE_CLASSES:
        yield Sample("in place", (torch.randn(5, 3, dtype=dtype, requires_grad=True),), init_kwargs={"inplace": True})
    if part == "GLU":
        yield Sample("channels", (torch.randn(2, 4, 3, dtype=dtype, requires_grad=True),), init_args=(1,))
    if part == "GELU":
        x = torch.randn(5, 3, dtype=dtype, requires_grad=True)
        yield Sample("by tanh", (x,), init_kwargs={"approximate": "tanh"})
    if part[0].isupper():
        return
    if part in ("sigmoid", "tanh", "softsign"):
        # their results are exact in float32, which they become
        yield Sample("integers", (torch.tensor([0, 1, -3]) if part == "softsign" else torch.tensor([0, 200, -200]),))
    if part == "logsigmoid":
        # as many as it takes for a gradient that is rounded twice to show beside torch's
        yield Sample("many", (torch.randn(40, 25, dtype=dtype, requires_grad=True),))
    if part == "glu":
        yield from _in_halves(dtype)
        return
    inputs = {
        "extremes": [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 15.0, -15.0, 30.0, -30.0, 900.0, -900.0],
        "near 0": [1e-3, -1e-3, 1e-6, -1e-6, 1e-12, 1e-30],
        "empty": [],
    }
    if part in _HARD:
        yield Sample("NaN", (torch.tensor([math.nan, 0.0], dtype=dtype),))
    else:
        inputs["extremes"].append(math.nan)
    if part in _ENDLESS:
        inputs["endless"] = [math.inf, -math.inf]
    tensors = {name: torch.tensor(values, dtype=dtype) for name, values in inputs.items()}
    for name, x in {**tensors, "image": torch.randn(2, 3, 5, 4, dtype=dtype)}.items():
        yield from _calls(part, name, x.requires_grad_(), smooth=name in ("image", "near 0"))


def _in_halves(dtype: torch.dtype) -> Iterator[Sample]:
    """Along every axis, with gates that are shut and open; no rows, no features."""
    image = torch.randn(2, 4, 6, 2, dtype=dtype, requires_grad=True)
    for dim in (0, 1, -2, -1):
        yield Sample(f"image, axis {dim}", (image, dim))
    ends = [1.0, 2.0, -3.0, math.nan, 5.0, 2.0, 900.0, -900.0, 0.0, 1.0, -30.0, math.nan]
    yield Sample("extremes", (torch.tensor(ends, dtype=dtype, requires_grad=True),), smooth=False)
    for shape in ((0, 4), (3, 0)):
        yield Sample(f"empty, {shape}", (torch.empty(shape, dtype=dtype, requires_grad=True),))


def refused(part: str) -> Iterator[Sample]:
    """Complex numbers, which these are not for; integers; a way to compute it that nobody knows; what has no halves."""
    if part[0].islower() and part != "softsign":
        yield Sample("complex numbers", (torch.ones(2, dtype=torch.complex64),))
    if part in ("softplus", "silu", "gelu", "logsigmoid", "mish", "glu", *_HARD):
        yield Sample("integers", (torch.arange(4),))
    if part == "softsign":
        yield Sample("booleans", (torch.tensor([True]),))
    if part == "glu":
        yield Sample("no halves", (torch.ones(2, 3),))
        yield Sample("a number", (torch.tensor(1.0),))
        yield Sample("no such axis", (torch.ones(4), 1))
    if part == "gelu":
        yield Sample("no such way", (torch.ones(3),), {"approximate": "sigmoid"})


def _calls(part: str, name: str, x: torch.Tensor, *, smooth: bool) -> Iterator[Sample]:
    yield Sample(name, (x,), smooth=smooth)
    if part == "softplus":
        yield Sample(f"{name}, steep", (x,), {"beta": 3.0, "threshold": 2.0}, smooth=smooth)
        yield Sample(f"{name}, at the threshold", (x, 1.0, 1.0), smooth=smooth)
        yield Sample(f"{name}, falling", (x,), {"beta": -0.5}, smooth=smooth)
        # infinite, with a gradient that no formula has
        yield Sample(f"{name}, flat", (x.detach(),), {"beta": 0.0})
    elif part in _IN_PLACE:
        yield Sample(f"{name}, in place", (x,), {"inplace": True}, smooth=smooth)
    elif part == "gelu":
        yield Sample(f"{name}, by tanh", (x,), {"approximate": "tanh"}, smooth=smooth)


_SHAPES = {
    "GPT-2, MLP": (1, 256, 3072),
    "MobileNetV3 (ImageNet)": (4, 240, 14, 14),
    "EfficientNet-B0 (ImageNet)": (2, 96, 56, 56),
    "LeNet": (64, 6, 28, 28),
}
_CLASSES = (
    *("Sigmoid", "Tanh", "Softplus", "SiLU", "GELU", "LogSigmoid"),
    *("Mish", "GLU", "Softsign", "Hardsigmoid", "Hardswish"),
)

BENCH = (
    *(
        Case(part, network, lambda shape=shape: (torch.randn(shape),))
        for part in (*_CLASSES, *map(str.lower, _CLASSES))
        for network, shape in _SHAPES.items()
    ),
    Case("GELU", "GPT-2, MLP, by tanh", lambda: (torch.randn(1, 256, 3072),), init_kwargs={"approximate": "tanh"}),
    Case("gelu", "GPT-2, MLP, by tanh", lambda: (torch.randn(1, 256, 3072),), kwargs={"approximate": "tanh"}),
)
