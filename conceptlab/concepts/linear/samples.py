"""Inputs for linear layers that PyTorch's own samples lack, and calls whose speed is measured."""

from collections.abc import Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """A single output, whose weight is a vector; a single bias; no samples, no features."""
    if part != "linear":
        return

    def x(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, requires_grad=True)

    yield Sample("one output", (x(4, 3), x(3)))
    yield Sample("one output, one sample", (x(3), x(3)))
    yield Sample("one output, more axes", (x(2, 4, 3), x(3)))
    yield Sample("one output, one sample, bias", (x(3), x(3), x()))
    yield Sample("one output, more axes, bias", (x(2, 5, 4, 3), x(3), x()))
    yield Sample("a bias for each row", (x(2, 3, 4), x(5, 4), x(3, 5)))
    yield Sample("one bias for all", (x(2, 3, 4), x(5, 4), x(1)))
    yield Sample("no samples", (x(0, 3), x(2, 3), x(2)))
    yield Sample("no features", (x(4, 0), x(2, 0), x(2)))


def refused(part: str) -> Iterator[Sample]:
    """A weight without an axis of outputs, with a bias, and a bias that is larger than the product."""
    if part == "linear":
        one = torch.ones
        yield Sample("a matrix, and a single bias", (one(4, 3), one(3), one(())))
        yield Sample("more axes, and several biases", (one(2, 4, 3), one(3), one(4)))
        yield Sample("a matrix, and several biases", (one(4, 3), one(3), one(4)))
        yield Sample("a vector, and one bias with an axis", (one(3), one(3), one(1)))
        yield Sample("a bias of more axes than the result", (one(3, 4), one(5, 4), one(2, 1, 5)))
        yield Sample("a bias larger than the result", (one(1, 3, 4), one(5, 4), one(2, 3, 5)))
        yield Sample("a matrix, and a bias larger than the result", (one(1, 4), one(5, 4), one(3, 5)))
        yield Sample("a bias of other features", (one(2, 3, 4), one(5, 4), one(3, 4)))


def _layer(network: str, rows: int, in_features: int, out_features: int) -> Case:
    return Case("Linear", network, lambda: (torch.randn(rows, in_features),), init_args=(in_features, out_features))


BENCH = (
    _layer("LeNet, first", 64, 400, 120),
    _layer("LeNet, last", 64, 84, 10),
    _layer("MLP", 128, 784, 512),
    _layer("ResNet-18, head", 64, 512, 1000),
    Case("Linear", "GPT, block", lambda: (torch.randn(4, 64, 128),), init_args=(128, 512)),
    Case("linear", "MLP", lambda: (torch.randn(128, 784), torch.randn(512, 784), torch.randn(512))),
    Case("linear", "GPT, block", lambda: (torch.randn(4, 64, 128), torch.randn(512, 128), torch.randn(512))),
)
