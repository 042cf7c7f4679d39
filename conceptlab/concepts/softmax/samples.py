"""Inputs for softmax that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator

import torch

from conceptlab.core.samples import Case, Sample

_FUNCTIONS = ("softmax", "log_softmax", "softmin")
_LAYERS = ("Softmax", "LogSoftmax", "Softmin")


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Ties, infinite values, long slices, no slice; no axis given."""
    if part == "gumbel_softmax":
        yield from _perturbed(dtype)
        return
    inputs = {
        "ties": torch.zeros(3, 4, dtype=dtype),
        "long": torch.randn(2, 1000, dtype=dtype),
        "more than float16 can count": torch.zeros(1, 70_000, dtype=dtype),
        "image": torch.randn(2, 3, 4, 5, dtype=dtype),
        "empty-slices": torch.empty(3, 0, dtype=dtype),
        "no-slices": torch.empty(0, 3, dtype=dtype),
        "infinite": torch.tensor([[-math.inf, 0.0, 1.0], [-math.inf, -math.inf, 2.0]], dtype=dtype),
        "nothing-left": torch.tensor([[-math.inf, -math.inf], [math.inf, 0.0], [math.nan, 0.0]], dtype=dtype),
    }
    for name, x in inputs.items():
        x.requires_grad_()
        smooth = name not in ("infinite", "nothing-left")
        if part in _FUNCTIONS:
            yield Sample(name, (x, 1), smooth=smooth)
        elif part in _LAYERS:
            yield Sample(name, (x,), init_args=(1,), smooth=smooth)
    # where no axis is given, the number of axes tells which
    for shape in ((), (3,), (3, 4), (3, 4, 2), (2, 3, 4, 2)):
        if part in _FUNCTIONS:
            yield Sample(f"{len(shape)} axes, none given", (torch.randn(shape, dtype=dtype, requires_grad=True),))


def _perturbed(dtype: torch.dtype) -> Iterator[Sample]:
    """With every setting, rounded and not; a temperature that is learned; infinite values; nothing."""
    rows, image = (torch.randn(shape, dtype=dtype, requires_grad=True) for shape in ((6, 5), (2, 3, 4, 5)))
    infinite = torch.tensor([[-math.inf, 0.0, 1.0], [math.inf, 0.0, 1.0], [math.nan, 0.0, 1.0]], dtype=dtype)
    for hard in (False, True):
        kind = "hard" if hard else "soft"
        yield Sample(f"rows, {kind}", (rows,), {"hard": hard})
        for tau, dim in ((0.5, 0), (3.0, 1)):
            yield Sample(f"image, {kind}, tau {tau}, axis {dim}", (image, tau, hard), {"dim": dim})
        warm = torch.tensor(1.5, dtype=dtype, requires_grad=True)
        yield Sample(f"learned tau, {kind}", (rows, warm, hard))
        yield Sample(f"infinite, {kind}", (infinite.clone().requires_grad_(), 1.0, hard), smooth=False)
        yield Sample(f"no rows, {kind}", (torch.empty(0, 3, dtype=dtype, requires_grad=True), 1.0, hard))
        # without a gradient: of a number in half precision torch's forward mode makes float64
        yield Sample(f"a number, {kind}", (torch.randn((), dtype=dtype), 1.0, hard))
    yield Sample("no columns", (torch.empty(3, 0, dtype=dtype, requires_grad=True),))
    yield Sample("eps", (rows,), {"eps": 1e-8})


def refused(part: str) -> Iterator[Sample]:
    """Integers, an axis that is not there, and a largest number of none."""
    if part == "gumbel_softmax":
        yield Sample("integers", (torch.arange(3),))
        yield Sample("no such axis", (torch.ones(3),), {"dim": 1})
        yield Sample("no columns, hard", (torch.empty(3, 0), 1.0, True))
    if part in _FUNCTIONS:
        yield Sample("integers", (torch.arange(3), 0))
        yield Sample("no such axis", (torch.ones(3), 1))


def _along(axis: int, network: str, *shape: int) -> list[Case]:
    layers = [Case(part, network, lambda: (torch.randn(shape),), init_args=(axis,)) for part in _LAYERS]
    return layers + [Case(part, network, lambda: (torch.randn(shape), axis)) for part in _FUNCTIONS]


BENCH = (
    *_along(1, "MNIST, head", 128, 10),
    *_along(1, "ResNet-18, head", 64, 1000),
    *_along(-1, "GPT, attention", 4, 4, 128, 128),
    Case("gumbel_softmax", "VQ-VAE, codes", lambda: (torch.randn(64, 64, 512),)),
    Case("gumbel_softmax", "VQ-VAE, codes, hard", lambda: (torch.randn(64, 64, 512),), kwargs={"hard": True}),
    Case("Softmax2d", "segmentation", lambda: (torch.randn(2, 21, 64, 64),)),
)
