"""Inputs for batch normalization that PyTorch's own samples do not reach, and the shapes of its benchmark."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample


def samples(part_name: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Layouts, empty and constant inputs, and parameters that are there or not."""
    if part_name != "batch_norm":
        return
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    def arguments(*shape: int, affine: bool = True) -> tuple:
        C = shape[1]
        parameters = ((randn(C) + 2).requires_grad_(), randn(C).requires_grad_()) if affine else (None, None)
        return randn(*shape).requires_grad_(), randn(C), randn(C).square() + 0.5, *parameters

    for training in (True, False):
        mode = "training" if training else "evaluation"
        yield Sample(f"{mode}, matrix", arguments(6, 3), {"training": training})
        yield Sample(f"{mode}, sequence", arguments(3, 4, 5), {"training": training, "momentum": 0.7})
        yield Sample(f"{mode}, images", arguments(2, 3, 4, 5), {"training": training, "eps": 0.3})
        yield Sample(f"{mode}, volumes", arguments(2, 3, 2, 3, 2), {"training": training, "momentum": 1.0})
        yield Sample(f"{mode}, not affine", arguments(2, 3, 4, affine=False), {"training": training})
        yield Sample(f"{mode}, no bias", arguments(2, 3, 4)[:4], {"training": training})
        yield Sample(f"{mode}, empty batch", arguments(0, 3, 4), {"training": training})
        yield Sample(f"{mode}, no channels", arguments(2, 0, 4, affine=False), {"training": training})
        x, *others = arguments(2, 3, 4, 5)
        images_last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        yield Sample(f"{mode}, channels last", (images_last, *others), {"training": training})
        frozen = [p.detach() if p is not None else None for p in others]
        yield Sample(f"{mode}, only the input has a gradient", (x, *frozen), {"training": training})
        yield Sample(
            f"{mode}, only the weight has a gradient", (x.detach(), *frozen[:2], others[2]), {"training": training}
        )
        constant = torch.ones(2, 3, 4, dtype=dtype).requires_grad_()
        yield Sample(f"{mode}, constant input", (constant, *arguments(2, 3, 4)[1:]), {"training": training})
    yield Sample("no running statistics", (randn(2, 3, 4).requires_grad_(), None, None), {"training": True})


def refused(part_name: str) -> Iterator[Sample]:
    """Too few values, axes or statistics, statistics that do not fit, and what is no number with a fraction."""
    if part_name != "batch_norm":
        return
    x, mean, var = torch.ones(4, 3), torch.zeros(3), torch.ones(3)
    for name, args, kwargs in (
        ("one value a channel", (torch.ones(1, 3), None, None), {"training": True}),
        ("one value a channel, sequence", (torch.ones(1, 3, 1), mean, var), {"training": True}),
        ("one value", (torch.ones(1), None, None), {"training": True}),
        ("no axis of channels", (torch.ones(3), None, None), {"training": True}),
        ("no axis", (torch.ones(()), None, None), {"training": True}),
        ("no axis of channels, evaluation", (torch.ones(3), mean, var), {}),
        ("integers", (torch.ones(4, 3, dtype=torch.int64), None, None), {"training": True}),
        ("complex numbers", (torch.ones(4, 3, dtype=torch.complex64), None, None), {"training": True}),
        ("eps of 0 in training", (x, None, None), {"training": True, "eps": 0.0}),
        ("negative eps", (x, mean, var), {"eps": -1.0}),
        ("no statistics", (x, None, None), {}),
        ("no variance", (x, mean, None), {"training": True}),
        ("no mean", (x, None, var), {"training": True}),
        ("no mean in evaluation", (x, None, var), {}),
        ("too few statistics", (x, torch.zeros(2), torch.ones(2)), {}),
        ("too few weights", (x, mean, var, torch.ones(2)), {}),
        ("too many biases", (x, mean, var, None, torch.ones(4)), {}),
        ("statistics of another dtype", (x, mean.double(), var.double()), {}),
        ("weights of another dtype", (x, mean, var, var.double()), {}),
        ("statistics of two dtypes", (x.half(), mean, var.half()), {}),
        ("double beside a half", (x.half(), mean.double(), var.double()), {}),
    ):
        yield Sample(name, args, kwargs)


def _layer_inputs(*shape: int) -> Callable[[], tuple]:
    def inputs() -> tuple:
        C = shape[1]
        x = torch.randn(shape).requires_grad_()
        return x, torch.zeros(C), torch.ones(C), torch.ones(C).requires_grad_(), torch.zeros(C).requires_grad_()

    return inputs


BENCH = tuple(
    Case("batch_norm", network, _layer_inputs(*shape), kwargs={"training": True})
    for network, shape in (
        ("ResNet-18, CIFAR, stage 1", (16, 64, 32, 32)),
        ("ResNet-18, CIFAR, stage 2", (16, 128, 16, 16)),
        ("ResNet-18, CIFAR, stage 4", (16, 512, 4, 4)),
        ("ResNet-18, ImageNet, stem", (4, 64, 112, 112)),
        ("ResNet-18, ImageNet, stage 3", (4, 256, 14, 14)),
        ("MobileNetV2, expansion", (4, 96, 56, 56)),
        ("multilayer perceptron", (128, 256)),
    )
)
