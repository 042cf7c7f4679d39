"""Functions that PyTorch's ``op_db`` lacks, and what it leaves out of the others: `inplace=True` of activations."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch

from conceptlab.core.samples import Sample
from conceptlab.verify.samples.draw import Draw, Maker


def _affine_grid(draw: Draw) -> Iterator[Sample]:
    for aligned in (False, True):
        yield Sample(f"images, corners {aligned}", (draw(2, 2, 3), [2, 3, 4, 5], aligned))
        yield Sample(f"volumes, corners {aligned}", (draw(2, 3, 4), [2, 1, 2, 3, 2]), {"align_corners": aligned})


def _conv_tbc(draw: Draw) -> Iterator[Sample]:
    yield Sample("time first", (draw(6, 2, 3), draw(2, 3, 4), draw(4)))
    yield Sample("padded", (draw(6, 2, 3), draw(3, 3, 4), draw(4), 1))


def _embedding(draw: Draw) -> Iterator[Sample]:
    words, table = draw.whole(7, 3, 4), draw(7, 5)
    yield Sample("padding", (words, table, 2))
    yield Sample("padding from the end", (words, table), {"padding_idx": -3})
    yield Sample("gradients by frequency", (words, table), {"scale_grad_by_freq": True})
    yield Sample("sparse gradients", (words, table), {"sparse": True})
    yield Sample("shorter vectors", (words, table.detach()), {"max_norm": 1.0, "norm_type": 1.0})
    yield Sample("32 bits", (draw.whole(7, 3, 4, dtype=torch.int32), table))
    yield Sample("no words", (draw.whole(7, 0, 4), table))


def _gumbel_softmax(draw: Draw) -> Iterator[Sample]:
    yield Sample("soft", (draw(3, 4),))
    yield Sample("cold", (draw(3, 4), 0.1))
    yield Sample("along the rows", (draw(3, 4),), {"dim": 0})
    # the value is a step, of which finite differences know nothing
    yield Sample("hard", (draw(3, 4),), {"hard": True}, smooth=False)


SAMPLES: Mapping[str, Maker] = {
    "affine_grid": _affine_grid,
    "conv_tbc": _conv_tbc,
    "embedding": _embedding,
    "gumbel_softmax": _gumbel_softmax,
}

_SETTINGS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "CELU": ({}, {"alpha": 0.5}),
    "Hardsigmoid": ({},),
    "Hardswish": ({},),
    "Mish": ({},),
    "RReLU": ({}, {"lower": 0.1, "upper": 0.9}),
    "celu": ({}, {"alpha": 0.5}),
    "hardsigmoid": ({},),
    "hardswish": ({},),
    "mish": ({},),
    "rrelu": ({}, {"training": True}, {"lower": 0.1, "upper": 0.9, "training": True}),
}
"""Activations that can work in place, and settings of theirs. Those of the concepts stand in their folders."""


def _activation(draw: Draw, name: str) -> Iterator[Sample]:
    inputs = {
        "image": draw(2, 3, 5, 4),
        "a number": draw(),
        "empty": draw(0, 3),
        "extremes": torch.tensor([0.0, -0.0, 3.0, -3.0, 1e30, -1e30, math.nan], dtype=draw.dtype),
    }
    for what, x in inputs.items():
        for setting in _SETTINGS[name]:
            for inplace in (False, True):
                options = {**setting, "inplace": inplace}
                of_call, of_init = ({}, options) if name[0].isupper() else (options, {})
                yield Sample(f"{what}, {options}", (x,), of_call, (), of_init, smooth=what != "extremes")


ACTIVATIONS: Mapping[str, Maker] = {name: partial(_activation, name=name) for name in _SETTINGS}
