"""Inputs for dropout, of which PyTorch's own samples cover little, and the shapes of its benchmark."""

from collections.abc import Callable, Iterator

import torch

from conceptlab.core.samples import Case, Sample

_SHAPES = {
    "dropout": ((), (5,), (3, 4), (2, 3, 4, 5), (0, 3)),
    "alpha_dropout": ((), (5,), (3, 4), (2, 3, 4, 5), (0, 3)),
    "dropout1d": ((3, 4), (2, 3, 4), (0, 3, 4)),
    "dropout2d": ((2, 3, 4, 5), (0, 3, 4, 5), (2, 0, 3, 3)),
    "dropout3d": ((3, 2, 4, 5), (2, 3, 2, 3, 2), (0, 3, 2, 2, 2)),
    "feature_alpha_dropout": ((4, 5), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 3, 2), (0, 3)),
}
_CLASSES = {
    "Dropout": "dropout",
    "Dropout1d": "dropout1d",
    "Dropout2d": "dropout2d",
    "Dropout3d": "dropout3d",
    "AlphaDropout": "alpha_dropout",
    "FeatureAlphaDropout": "feature_alpha_dropout",
}


def samples(part_name: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Every shape with every kind of probability, in training and evaluation, in place and not."""
    generator = torch.Generator().manual_seed(0)
    for shape in _SHAPES[_CLASSES.get(part_name, part_name)]:
        x = torch.randn(shape, generator=generator, dtype=dtype)
        for p in (0.0, 0.25, 0.5, 0.9, 1.0):
            for inplace in (False, True) if p in (0.25, 1.0) else (False,):
                if part_name in _CLASSES:
                    if p in (0.25, 1.0):
                        yield Sample(f"p={p}, inplace={inplace}", (x.clone().requires_grad_(),), {}, (p, inplace))
                    continue
                for training in (True, False) if p == 0.5 else (True,):
                    name = f"p={p}, training={training}, inplace={inplace}"
                    yield Sample(name, (x.clone().requires_grad_(), p, training, inplace))
    if part_name in _SHAPES:
        x = torch.randn(_SHAPES[part_name][-2], generator=generator, dtype=dtype).requires_grad_()
        yield Sample("as it comes", (x,))
        yield Sample("in training, else as it comes", (x,), {"training": True})
    # deprecated by torch, and done
    unusual = {"dropout2d": ((3, 4), (2, 3, 2, 2, 2)), "dropout3d": ((3, 4, 2), (2, 3, 2, 2, 2, 2))}
    for axes in unusual.get(part_name, ()):
        yield Sample(f"{len(axes)} axes", (torch.randn(axes, generator=generator, dtype=dtype).requires_grad_(),))
    if part_name in ("dropout2d", "feature_alpha_dropout"):
        # without channels, but nothing is drawn
        yield Sample("a vector, p=0", (torch.ones(3, dtype=dtype), 0.0, True))
        yield Sample("a vector, p=1", (torch.ones(3, dtype=dtype), 1.0, True))
    if part_name in ("dropout", "alpha_dropout"):
        # what becomes of these where they are dropped tells a product from a selection
        special = torch.tensor([float("inf"), float("-inf"), float("nan"), 0.0] * 4, dtype=dtype)
        yield Sample("infinite and missing numbers", (special, 0.5, True))
        yield Sample("infinite and missing numbers, p=1", (special, 1.0, True))


def refused(part: str) -> Iterator[Sample]:
    """What is no probability; inputs without channels."""
    if part in _SHAPES:
        x = torch.ones(2, 3, 4)
        yield Sample("more than all", (x, 1.5))
        yield Sample("less than nothing", (x, -0.5))
    if part in ("dropout1d", "dropout2d", "feature_alpha_dropout"):
        yield Sample("a vector", (torch.ones(3), 0.5, True))
    if part == "dropout1d":
        yield Sample("images", (torch.ones(2, 3, 4, 5), 0.5, True))


def _activations(*shape: int) -> Callable[[], tuple]:
    return lambda: (torch.randn(shape).requires_grad_(), 0.5, True)


BENCH = (
    Case("dropout", "LeNet, hidden layer", _activations(128, 120)),
    Case("dropout", "VGG-16, classifier", _activations(32, 4096)),
    Case("dropout", "GPT-2 small, residual", _activations(2, 512, 768)),
    Case("dropout1d", "WaveNet, residual", _activations(8, 64, 1024)),
    Case("dropout2d", "SegNet, decoder", _activations(8, 64, 56, 56)),
    Case("dropout3d", "C3D, third layer", _activations(2, 256, 4, 28, 28)),
    Case("alpha_dropout", "self-normalizing network", _activations(128, 1024)),
    Case("feature_alpha_dropout", "self-normalizing CNN", _activations(8, 64, 28, 28)),
)
