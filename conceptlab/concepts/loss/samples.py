"""Inputs for losses that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_OF_NUMBERS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_FUNCTIONS = (
    *("mse_loss", "l1_loss", "smooth_l1_loss", "nll_loss", "cross_entropy"),
    *("binary_cross_entropy", "binary_cross_entropy_with_logits"),
)
_REDUCTIONS = ("none", "mean", "sum")


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Every reduction with weights, kinks and extremes, every form of target, empty batches."""

    def x(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, requires_grad=True)

    def share(*shape: int) -> Tensor:
        return torch.rand(shape, dtype=dtype, requires_grad=True)

    # what `reduction` was before torch 1.0; the two stand in either order before it
    if part in _FUNCTIONS:
        other = torch.tensor([0, 2, 1]) if part in ("nll_loss", "cross_entropy") else share(3, 4).detach()
        for size_average, reduce in ((False, None), (None, False), (True, True), (False, True)):
            legacy = {"size_average": size_average, "reduce": reduce, "reduction": "none"}
            yield Sample(f"size_average={size_average}, reduce={reduce}", (share(3, 4), other), legacy)
    if part in _OF_NUMBERS:
        extremes = torch.tensor([0.0, 1.0, -1.0, 0.5, 1e30, -1e30, math.nan], dtype=dtype, requires_grad=True)
        for reduction in _REDUCTIONS:
            yield Sample(
                f"extremes-{reduction}", (extremes, torch.zeros(7, dtype=dtype)), {"reduction": reduction}, smooth=False
            )
            yield Sample(f"empty-{reduction}", (x(0, 3), x(0, 3)), {"reduction": reduction})
            if part != "smooth_l1_loss":
                yield Sample(f"weight-{reduction}", (x(4, 3), x(4, 3)), {"reduction": reduction, "weight": share(4, 3)})
        if part == "smooth_l1_loss":
            yield Sample("beta-0", (x(4, 3), x(4, 3)), {"beta": 0.0})
    elif part == "binary_cross_entropy":
        for reduction in _REDUCTIONS:
            yield Sample(f"empty-{reduction}", (share(0, 3), share(0, 3)), {"reduction": reduction})
        yield Sample("weight", (share(4, 3), share(4, 3)), {"weight": torch.rand(3, dtype=dtype)})
    elif part == "binary_cross_entropy_with_logits":
        scores = torch.tensor([0.0, 30.0, -30.0, 900.0, -900.0], dtype=dtype, requires_grad=True)
        for reduction in _REDUCTIONS:
            yield Sample(f"extremes-{reduction}", (scores, share(5)), {"reduction": reduction}, smooth=False)
            yield Sample(
                f"weights-{reduction}",
                (x(4, 3), share(4, 3)),
                {
                    "reduction": reduction,
                    "weight": torch.rand(3, dtype=dtype),
                    "pos_weight": torch.rand(3, dtype=dtype),
                },
            )
    elif part in ("nll_loss", "cross_entropy"):
        yield from _of_classes(part, x, share)


def _of_classes(part: str, x, share) -> Iterator[Sample]:
    dtype = x(1).dtype
    weight = torch.rand(4, dtype=dtype)
    images = torch.tensor([[[0, 1], [2, 3]], [[3, 2], [0, 0]]])
    for reduction in _REDUCTIONS:
        kwargs = {"reduction": reduction}
        yield Sample(f"vector-{reduction}", (x(4), torch.tensor(2)), kwargs)
        yield Sample(f"images-{reduction}", (x(2, 4, 2, 2), images), {**kwargs, "weight": weight, "ignore_index": 3})
        yield Sample(
            f"the first ignored-{reduction}", (x(3, 4), torch.tensor([1, 0, 3])), {**kwargs, "ignore_index": 0}
        )
        yield Sample(f"no samples-{reduction}", (x(0, 4), torch.empty(0, dtype=torch.int64)), kwargs)
        yield Sample(f"all ignored-{reduction}", (x(2, 4), torch.tensor([-100, -100])), kwargs)
        yield Sample(f"bytes-{reduction}", (x(2, 4), torch.tensor([1, 3], dtype=torch.uint8)), kwargs)
        if part == "cross_entropy":
            smooth = {**kwargs, "label_smoothing": 0.1}
            yield Sample(f"smooth-{reduction}", (x(3, 4), torch.tensor([1, -100, 3])), {**smooth, "weight": weight})
            yield Sample(f"smooth images-{reduction}", (x(2, 4, 2, 2), images), smooth)
            yield Sample(f"shares-{reduction}", (x(3, 4), share(3, 4)), {**kwargs, "weight": weight})
            yield Sample(f"smooth shares-{reduction}", (x(2, 4, 3), share(2, 4, 3)), smooth)
    if part == "cross_entropy":
        huge = (x(3, 4).detach() * 1000).requires_grad_()
        yield Sample("huge scores", (huge, torch.tensor([0, 1, 2])), smooth=False)


def refused(part: str) -> Iterator[Sample]:
    """Targets and weights that do not fit."""
    if part not in ("nll_loss", "cross_entropy"):
        return
    scores, target = torch.randn(2, 4), torch.tensor([1, 3])
    yield Sample("weights of another dtype", (scores, target, torch.ones(4, dtype=torch.float64)))
    yield Sample("weights beside a half", (scores.bfloat16(), target, torch.ones(4)))
    yield Sample("one target for many places", (torch.randn(1, 4, 2), torch.tensor([1])))
    if part == "cross_entropy":
        yield Sample("a share ignored", (scores, torch.rand(2, 4)), {"ignore_index": 0})


def _classes(part: str, network: str, samples: int, classes: int, **kwargs: object) -> Case:
    def inputs() -> tuple[Tensor, Tensor]:
        return torch.randn(samples, classes), torch.randint(classes, (samples,))

    return Case(part, network, inputs, **kwargs)  # type: ignore[arg-type]


_NUMBERS = {"autoencoder (MNIST)": (128, 784), "super-resolution (3×64×64)": (16, 3, 64, 64), "DQN": (64, 4)}
_DETECTIONS = {"RetinaNet, one level": (9 * 25 * 25, 80), "multi-label (COCO)": (64, 80)}

BENCH = (
    *(
        _classes(part, network, samples, classes)
        for part in ("CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss")
        for network, samples, classes in (
            ("ResNet-18 (ImageNet)", 256, 1000),
            ("LeNet", 128, 10),
            ("GPT-2, vocabulary", 128, 50257),
        )
    ),
    _classes("CrossEntropyLoss", "ResNet-50 (ImageNet), smooth", 256, 1000, init_kwargs={"label_smoothing": 0.1}),
    *(
        Case(part, network, lambda shape=shape: (torch.randn(shape), torch.randn(shape)))
        for part in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", *_OF_NUMBERS)
        for network, shape in _NUMBERS.items()
    ),
    *(
        Case(part, network, lambda shape=shape: (torch.rand(shape), torch.randint(2, shape).float()))
        for part in ("BCELoss", "binary_cross_entropy", "BCEWithLogitsLoss", "binary_cross_entropy_with_logits")
        for network, shape in _DETECTIONS.items()
    ),
)
