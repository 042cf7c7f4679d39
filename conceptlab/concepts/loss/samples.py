"""Inputs for losses that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_OF_NUMBERS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_FUNCTIONS = (
    *("mse_loss", "l1_loss", "smooth_l1_loss", "nll_loss", "cross_entropy"),
    *("binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"),
)
_OF_VECTORS = ("cosine_embedding_loss", "triplet_margin_loss")
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
            for beta in (0.0, 2.0):
                yield Sample(f"beta-{beta}", (x(4, 3), x(4, 3)), {"beta": beta})
    elif part == "binary_cross_entropy":
        for reduction in _REDUCTIONS:
            yield Sample(f"empty-{reduction}", (share(0, 3), share(0, 3)), {"reduction": reduction})
        yield Sample("weight", (share(4, 3), share(4, 3)), {"weight": torch.rand(3, dtype=dtype)})
        ends, answers = torch.tensor([[0.0, 1.0, 0.0, 1.0, 1e-30], [0.0, 1.0, 1.0, 0.0, 1.0]], dtype=dtype)
        yield Sample("the ends", (ends, answers), {"reduction": "none"})
        yield Sample("by the answers alone", (share(4, 3).detach(), share(4, 3)))
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
    elif part == "kl_div":
        yield from _divergences(x, share)
    elif part == "cosine_embedding_loss":
        # no normal numbers: those are the checks' tangents, and along the vectors themselves no angle changes
        yield from _pairs(lambda *shape: (torch.rand(shape, dtype=dtype) * 3 - 1).requires_grad_())
    elif part == "triplet_margin_loss":
        yield from _triplets(x)


def _of_classes(part: str, x, share) -> Iterator[Sample]:
    dtype = x(1).dtype
    weight = torch.rand(4, dtype=dtype)
    images = torch.tensor([[[0, 1], [2, 3]], [[3, 2], [0, 0]]])
    for reduction in _REDUCTIONS:
        kwargs = {"reduction": reduction}
        yield Sample(f"vector-{reduction}", (x(4), torch.tensor(2)), kwargs)
        yield Sample(f"images-{reduction}", (x(2, 4, 2, 2), images), {**kwargs, "weight": weight, "ignore_index": 3})
        yield Sample(
            f"the first ignored-{reduction}", (x(4, 4), torch.tensor([1, 0, 3, 2])), {**kwargs, "ignore_index": 0}
        )
        yield Sample(f"no samples-{reduction}", (x(0, 4), torch.empty(0, dtype=torch.int64)), kwargs)
        yield Sample(f"all ignored-{reduction}", (x(2, 4), torch.tensor([-100, -100])), kwargs)
        yield Sample(f"a vector's class in a list-{reduction}", (x(4), torch.tensor([2])), kwargs)
        yield Sample(f"bytes-{reduction}", (x(7, 4), torch.arange(7, dtype=torch.uint8) % 4), kwargs)
        if part == "cross_entropy":
            smooth = {**kwargs, "label_smoothing": 0.1}
            yield Sample(f"smooth-{reduction}", (x(3, 4), torch.tensor([1, -100, 3])), {**smooth, "weight": weight})
            yield Sample(f"smooth images-{reduction}", (x(2, 4, 2, 2), images), {**smooth, "weight": weight})
            yield Sample(f"a smooth vector-{reduction}", (x(4), torch.tensor(2)), {**smooth, "weight": weight})
            yield Sample(f"shares-{reduction}", (x(3, 4), share(3, 4)), {**kwargs, "weight": weight})
            yield Sample(f"smooth shares-{reduction}", (x(2, 4, 3), share(2, 4, 3)), smooth)
    # the class that stands for those that are ignored has to exist
    yield Sample("one class, ignored", (x(3, 1), torch.tensor([0, -100, 0])))
    if part == "cross_entropy":
        shares = {"ignore_index": -1, "weight": weight}
        yield Sample("shares of images", (x(2, 4, 3, 2), share(2, 4, 3, 2)), shares)
        yield Sample("shares of no class", (x(2, 0).detach(), share(2, 0).detach()), {"label_smoothing": 0.1})
        yield Sample("shares of one class", (x(1, 1), share(1, 1)), {"label_smoothing": 0.1})
        for smoothing in (1.0, -0.5):
            some = torch.tensor([1, -100, 3])
            yield Sample(f"label_smoothing={smoothing}", (x(3, 4), some), {"label_smoothing": smoothing})
            yield Sample(f"shares, {smoothing}", (x(3, 4), share(3, 4)), {"label_smoothing": smoothing})
        huge = (x(3, 4).detach() * 1000).requires_grad_()
        yield Sample("huge scores", (huge, torch.tensor([0, 1, 2])), smooth=False)


def _divergences(x, share) -> Iterator[Sample]:
    dtype = x(1).dtype
    for reduction in (*_REDUCTIONS, "batchmean"):
        for of_logarithms in (False, True):
            kwargs = {"reduction": reduction, "log_target": of_logarithms}
            yield Sample(f"{reduction}, {of_logarithms}", (x(3, 4), share(3, 4)), kwargs)
        # a share of 0 has no derivative
        yield Sample(f"{reduction}, sparse", (x(3, 4), torch.eye(3, 4, dtype=dtype)), {"reduction": reduction})
        yield Sample(f"{reduction}, nothing", (x(0, 4), share(0, 4)), {"reduction": reduction})
        yield Sample(f"{reduction}, a number", (x(), share()), {"reduction": reduction})
    for legacy in ({"reduce": False}, {"size_average": True}, {"size_average": False}):
        yield Sample(f"{legacy}", (x(3, 4), share(3, 4)), legacy)
        yield Sample(f"{legacy}, batchmean", (x(3, 4), share(3, 4)), {**legacy, "reduction": "batchmean"})
    yield Sample("broadcast", (x(3, 1), share(4)), {"reduction": "sum"})
    yield Sample("by the target alone", (x(3, 4).detach(), share(3, 4)), {"reduction": "sum"})
    ends = torch.tensor([0.0, 1.0, -1.0, math.inf, math.nan, 1e-30], dtype=dtype, requires_grad=True)
    scores = torch.tensor([-math.inf, math.inf, 0.0, -1e4, math.nan, -1.0], dtype=dtype, requires_grad=True)
    for of_logarithms in (False, True):
        kwargs = {"reduction": "none", "log_target": of_logarithms}
        yield Sample(f"extreme targets, {of_logarithms}", (x(6), ends), kwargs, smooth=False)
        yield Sample(f"extreme scores, {of_logarithms}", (scores, share(6)), kwargs, smooth=False)


def _pairs(x) -> Iterator[Sample]:
    target = torch.tensor([1, -1, 1, -1, 0])
    for reduction in _REDUCTIONS:
        kwargs = {"reduction": reduction, "margin": 0.1}
        yield Sample(f"{reduction}", (x(5, 3), x(5, 3), target), kwargs)
        yield Sample(f"{reduction}, one pair", (x(3), x(3), torch.tensor(-1)), {"reduction": reduction, "margin": -1.0})
        yield Sample(f"{reduction}, no pairs", (x(0, 3), x(0, 3), target[:0]), kwargs)
    for size_average, reduce in ((False, None), (None, False), (True, True), (False, True)):
        legacy = {"size_average": size_average, "reduce": reduce, "reduction": "none"}
        yield Sample(f"size_average={size_average}, reduce={reduce}", (x(5, 3), x(5, 3), target), legacy)
    yield Sample("no numbers", (x(5, 0), x(5, 0), target))
    yield Sample("vectors without length", ((x(5, 3).detach() * 0).requires_grad_(), x(5, 3), target))
    yield Sample("short vectors", (x(5, 3).detach() * 1e-6, x(5, 3), target))
    yield Sample("one vector for all", (x(5, 3), x(1, 3), target.double()))
    yield Sample("one target for all", (x(5, 3), x(5, 3), target[:1] > 0))
    yield Sample("whole numbers", (torch.arange(15).reshape(5, 3), torch.ones(5, 3, dtype=torch.bool), target))


def _triplets(x) -> Iterator[Sample]:
    for reduction in _REDUCTIONS:
        for swap in (False, True):
            kwargs = {"reduction": reduction, "swap": swap, "margin": 0.5}
            yield Sample(f"{reduction}, {swap}", (x(4, 3), x(4, 3), x(4, 3)), kwargs)
        yield Sample(f"{reduction}, no triplets", (x(0, 3), x(0, 3), x(0, 3)), {"reduction": reduction})
    yield Sample("one triplet", (x(3), x(3), x(3)))
    yield Sample("sets of triplets", (x(2, 4, 3), x(2, 4, 3), x(2, 4, 3)), {"reduction": "none"})
    yield Sample("one anchor for all", (x(1, 3), x(4, 3), x(4, 3)))
    same = x(4, 3)
    # the anchor is the positive: both distances to the negative are equal
    yield Sample("ties", (same, same.detach().clone().requires_grad_(), x(4, 3)), {"swap": True}, smooth=False)
    whole = torch.arange(12).reshape(4, 3)
    yield Sample("whole numbers", (whole, whole.flip(0), whole + 1))
    for swap in (False, True):
        yield Sample(f"beside whole numbers, {swap}", (x(4, 3), whole, whole % 2), {"swap": swap})
    for p in (1.0, 3.0, math.inf):
        yield Sample(f"p={p}", (x(4, 3), x(4, 3), x(4, 3)), {"p": p, "eps": 0.1, "margin": 2.0})
    for size_average, reduce in ((False, None), (None, False), (True, True), (False, True)):
        legacy = {"size_average": size_average, "reduce": reduce, "reduction": "none"}
        yield Sample(f"size_average={size_average}, reduce={reduce}", (x(4, 3), x(4, 3), x(4, 3)), legacy)


def refused(part: str) -> Iterator[Sample]:
    """Targets and weights that do not fit."""
    if part == "kl_div":
        yield Sample("sizes", (torch.randn(3, 4), torch.rand(3, 5)))
        yield Sample("another reduction", (torch.randn(3, 4), torch.rand(3, 4)), {"reduction": "all"})
        for dtype in (torch.int64, torch.bool, torch.complex64):
            yield Sample(f"{dtype}", (torch.randn(3, 4).to(dtype), torch.rand(3, 4)))
            yield Sample(f"targets of {dtype}", (torch.randn(3, 4), torch.rand(3, 4).to(dtype)), {"log_target": True})
        return
    if part in _OF_VECTORS:
        yield from _refused_vectors(part)
        return
    if part not in ("nll_loss", "cross_entropy"):
        yield from _refused_numbers(part)
        return
    scores, target = torch.randn(2, 4), torch.tensor([1, 3])
    yield Sample("no axes", (scores[0, 0], target))
    yield Sample("no axes, one class", (scores[0, 0], target[0]))
    yield Sample("whole numbers", (scores.long(), target))
    yield Sample("classes of 32 bits", (scores, target.int()))
    yield Sample("a class too few", (scores, target[:1]))
    yield Sample("one class for all", (scores, target[0]))
    yield Sample("two classes for a vector", (scores[0], target))
    yield Sample("too few weights", (scores, target, torch.ones(3)))
    yield Sample("weights of another dtype", (scores, target, torch.ones(4, dtype=torch.float64)))
    yield Sample("weights beside a half", (scores.bfloat16(), target, torch.ones(4)))
    yield Sample("one target for many places", (torch.randn(1, 4, 2), torch.tensor([1])))
    if part == "cross_entropy":
        yield Sample("a share ignored", (scores, torch.rand(2, 4)), {"ignore_index": 0})
        yield Sample("whole shares", (scores, torch.ones(2, 4, dtype=torch.int64)))
        yield Sample("too few weights of shares", (scores, torch.rand(2, 4), torch.ones(3)))
        yield Sample("too much smoothing", (scores, target), {"label_smoothing": 1.5})


def _refused_numbers(part: str) -> Iterator[Sample]:
    x = torch.rand(3, 4)
    if part in _OF_NUMBERS:
        yield Sample("whole numbers", (x.long(), x.long()), {"reduction": "none" if part == "l1_loss" else "mean"})
        if part != "smooth_l1_loss":
            yield Sample("too few weights", (x, x), {"weight": torch.ones(4)})
        else:
            yield Sample("a negative beta", (x, x), {"beta": -0.5})
        if part == "huber_loss":
            for delta in (0.0, -0.5):
                yield Sample(f"delta={delta}", (x, x), {"delta": delta})
        return
    yield Sample("too few answers", (x, x[0]))
    yield Sample("another reduction", (x, x), {"reduction": "all"})
    if part == "binary_cross_entropy":
        yield Sample("whole numbers", (x.long(), x.long()))
        yield Sample("answers of another dtype", (x, x.double()))
        for number in (1.5, -0.5):
            yield Sample(f"no probability, {number}", (torch.cat([x[:2], torch.full((1, 4), number)]), x))


def _refused_vectors(part: str) -> Iterator[Sample]:
    x, y, target = torch.randn(3, 4), torch.randn(3, 5), torch.tensor([1, -1, 1])
    if part == "cosine_embedding_loss":
        yield Sample("sizes", (x, y, target))
        yield Sample("one number for a vector", (x, x[:, :1], target))
        yield Sample("vectors for one number", (x[:, :1], x, target))
        yield Sample("a vector for one number", (x[0, :1], x[0], target[0]))
        yield Sample("targets and vectors with an axis more", (x[None], x[None], target[None]))
        yield Sample("too few targets", (x, x, target[:2]))
        yield Sample("targets with two axes", (x, x, target[None]))
        yield Sample("one target for many pairs", (x, x, target[0]))
        yield Sample("many targets for one pair", (x[0], x[0], target))
        yield Sample("vectors beside a vector", (x, x[0], target))
        yield Sample("a vector beside vectors", (x[0], x, target))
        yield Sample("complex", (x.to(torch.complex64), x, target))
        yield Sample("complex beside real", (x, x.to(torch.complex64), target))
        yield Sample("another reduction", (x, x, target), {"reduction": "batchmean"})
        return
    yield Sample("sizes", (x, y, x))
    yield Sample("other axes", (x, x[0], x))
    yield Sample("other axes of the negative", (x, x, x[0]))
    yield Sample("another reduction", (x, x, x), {"reduction": "batchmean"})
    yield Sample("truths", (x > 0, x > 0, x > 0))
    for margin in (0, -1.0):
        yield Sample(f"margin={margin}", (x, x, x), {"margin": margin})


def _classes(part: str, network: str, samples: int, classes: int, **kwargs: object) -> Case:
    def inputs() -> tuple[Tensor, Tensor]:
        return torch.randn(samples, classes), torch.randint(classes, (samples,))

    return Case(part, network, inputs, **kwargs)  # type: ignore[arg-type]


_NUMBERS = {"autoencoder (MNIST)": (128, 784), "super-resolution (3×64×64)": (16, 3, 64, 64), "DQN": (64, 4)}
_DETECTIONS = {"RetinaNet, one level": (9 * 25 * 25, 80), "multi-label (COCO)": (64, 80)}

_SUPPORTS = {"distillation (ImageNet)": (256, 1000), "VAE (codes)": (128, 32)}
_EMBEDDINGS = {"FaceNet": (90, 128), "sentence-BERT": (64, 768)}


def _distributions(*shape: int) -> tuple[Tensor, Tensor]:
    return torch.randn(shape).log_softmax(-1), torch.randn(shape).softmax(-1)


def _signs(pairs: int) -> Tensor:
    return torch.randint(2, (pairs,)) * 2 - 1


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
    *(
        Case("KLDivLoss", network, partial(_distributions, *shape), init_kwargs={"reduction": "batchmean"})
        for network, shape in _SUPPORTS.items()
    ),
    *(
        Case("kl_div", network, partial(_distributions, *shape), kwargs={"reduction": "batchmean"})
        for network, shape in _SUPPORTS.items()
    ),
    *(
        Case(part, network, lambda shape=shape: (*(torch.randn(shape) for _ in range(2)), _signs(shape[0])))
        for part in ("CosineEmbeddingLoss", "cosine_embedding_loss")
        for network, shape in _EMBEDDINGS.items()
    ),
    *(
        Case(part, network, lambda shape=shape: tuple(torch.randn(shape) for _ in range(3)))
        for part in ("TripletMarginLoss", "triplet_margin_loss")
        for network, shape in _EMBEDDINGS.items()
    ),
)
