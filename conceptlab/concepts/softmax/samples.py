"""Inputs for softmax that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator

import torch

from conceptlab.core.samples import Case, Sample


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Rows of extremes, images, axes of every kind, empty and 0-dimensional inputs."""
    if part in ("Softmax", "LogSoftmax", "Softmin"):
        for dim in (0, -1):
            x = torch.randn(2, 3, 4, dtype=dtype, requires_grad=True)
            yield Sample(f"dim{dim}", (x,), init_kwargs={"dim": dim})
        return
    if part == "Softmax2d":
        for shape in ((2, 3, 4, 5), (3, 4, 5)):
            yield Sample(f"{len(shape)}D", (torch.randn(shape, dtype=dtype, requires_grad=True),))
        return
    inf, nan = math.inf, math.nan
    rows = [[-inf] * 3, [inf, 0.0, 1.0], [nan, 0.0, 1.0], [-inf, 0.0, 1.0], [1e30, -1e30, 0.0], [5.0, 5.0, 5.0]]
    inputs = {
        "extremes": (torch.tensor(rows, dtype=dtype), 1),
        "image": (torch.randn(2, 3, 5, 4, dtype=dtype), 1),
        "attention": (torch.randn(2, 2, 7, 7, dtype=dtype), -1),
        "first axis": (torch.randn(6, 4, dtype=dtype), 0),
        "no axes": (torch.randn((), dtype=dtype), 0),
        "no rows": (torch.empty(0, 3, dtype=dtype), 1),
        "empty rows": (torch.empty(3, 0, dtype=dtype), 1),
    }
    for name, (x, dim) in inputs.items():
        yield Sample(name, (x.requires_grad_(), dim), smooth=name != "extremes")
    yield Sample("converted", (torch.arange(6).reshape(2, 3), 1), {"dtype": dtype})


_SHAPES = {
    "GPT-2, attention": (1, 12, 256, 256),
    "ViT-B/16, attention": (2, 12, 197, 197),
    "ResNet-18 (ImageNet), head": (64, 1000),
    "LeNet, head": (128, 10),
}

BENCH = (
    *(
        Case(part, network, lambda shape=shape: (torch.randn(shape),), init_kwargs={"dim": -1})
        for part in ("Softmax", "LogSoftmax", "Softmin")
        for network, shape in _SHAPES.items()
    ),
    Case("Softmax2d", "DeepLab, head", lambda: (torch.randn(2, 21, 65, 65),)),
    *(
        Case(part, network, lambda shape=shape: (torch.randn(shape), -1))
        for part in ("softmax", "log_softmax", "softmin")
        for network, shape in _SHAPES.items()
    ),
)
