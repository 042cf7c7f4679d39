"""Pooling, taken back and by powers, and resizing: what PyTorch's ``module_db`` and ``op_db`` lack of it."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch.nn.functional as F

from conceptlab.core.samples import Sample
from conceptlab.verify.samples.draw import Draw, Maker
from conceptlab.verify.samples.layers import layer

_SHAPE = (2, 3, 6, 8, 4)
"""Batch, channels, and as many axes as a name has."""


def _max_unpool(draw: Draw, rank: int) -> Iterator[Sample]:
    pool = getattr(F, f"max_pool{rank}d")

    def unpool(name: str, shape: tuple[int, ...], *window: Any, whole: bool = False, **settings: Any) -> Sample:
        # windows side by side or apart: of overlapping ones two maxima may fall on one place, in no fixed order
        x = draw(*shape)
        maxima, indices = pool(x.detach(), *window, return_indices=True, **settings)
        forward = maxima.requires_grad_(), indices
        return Sample(name, forward, {"output_size": list(shape)} if whole else {}, window, settings)

    shape = _SHAPE[: 2 + rank]
    yield unpool("windows side by side", shape, 2)
    yield unpool("the size given", shape, 2, whole=True)
    yield unpool("windows apart", shape, 2, 3, whole=True)
    yield unpool("padded", (2, 3, 7, 4, 7)[: 2 + rank], 3, padding=1)
    yield unpool("all different", shape, (2, 3, 2)[:rank], (3, 3, 2)[:rank], whole=True)
    yield unpool("no batch axis", shape[1:], 2)


def _upsample(draw: Draw) -> Iterator[Sample]:
    modes = {
        "nearest": (1, 2, 3),
        "nearest-exact": (1, 2, 3),
        "linear": (1,),
        "bilinear": (2,),
        "bicubic": (2,),
        "trilinear": (3,),
    }
    for mode, ranks in modes.items():
        for rank in ranks:
            shape, size = (2, 3, 3, 4, 2)[: 2 + rank], (5, 3, 4)[:rank]
            what = f"{mode}, {rank} axes"
            yield layer(f"{what}, a size", draw(*shape), size=size, mode=mode)
            yield layer(f"{what}, a factor", draw(*shape), scale_factor=2.0, mode=mode)
            yield layer(
                f"{what}, factors", draw(*shape), scale_factor=(1.7,) * rank, mode=mode, recompute_scale_factor=True
            )
            if "nearest" not in mode:
                yield layer(f"{what}, corners aligned", draw(*shape), size=size, mode=mode, align_corners=True)


def _upsample_2d(draw: Draw) -> Iterator[Sample]:
    yield layer("a size", draw(2, 3, 3, 4), size=(5, 3))
    yield layer("a factor", draw(2, 3, 3, 4), scale_factor=2)
    yield layer("one size for both", draw(1, 2, 3, 4), init=(6,))


def _upsample_function(draw: Draw) -> Iterator[Sample]:
    for mode, rank in (("nearest", 1), ("nearest", 2), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3)):
        shape, size = (2, 3, 3, 4, 2)[: 2 + rank], (5, 3, 4)[:rank]
        yield Sample(f"{mode}, {rank} axes, a size", (draw(*shape), size), {"mode": mode})
        yield Sample(f"{mode}, {rank} axes, a factor", (draw(*shape),), {"scale_factor": 2.0, "mode": mode})


def _lp_pool(draw: Draw, rank: int) -> Iterator[Sample]:
    shape = _SHAPE[: 2 + rank]
    for norm in (1.0, 2.0, 3.0):
        # a sum of third powers may be negative, and has then no third root
        x = draw(*shape).detach().abs().requires_grad_()
        yield Sample(f"power {norm:g}", (x, norm, 2))
    x = draw(*shape).detach().abs().requires_grad_()
    yield Sample("overlapping", (x, 2.0, 3, 1))
    yield Sample("over the edge", (x, 2.0, 3), {"stride": 2, "ceil_mode": True})
    yield Sample("no batch axis", (draw(*shape[1:]), 2.0, 2))
    if rank > 1:
        yield Sample("all different", (draw(*shape), 2.0, (2, 3, 2)[:rank], (1, 2, 2)[:rank]))


def _fold(draw: Draw) -> Iterator[Sample]:
    yield Sample("windows side by side", (draw(2, 12, 6), (4, 6), 2), {"stride": 2})
    yield Sample("overlapping", (draw(2, 12, 15), (4, 6), (2, 2)))
    yield Sample("padded, dilated", (draw(2, 18, 6), (4, 5), 3, 2, 1, 1))
    yield Sample("no batch axis", (draw(12, 6), (4, 6), 2), {"stride": 2})


SAMPLES: Mapping[str, Maker] = {
    **{f"MaxUnpool{rank}d": partial(_max_unpool, rank=rank) for rank in (1, 2, 3)},
    **{f"lp_pool{rank}d": partial(_lp_pool, rank=rank) for rank in (1, 2, 3)},
    "Upsample": _upsample,
    "UpsamplingBilinear2d": _upsample_2d,
    "UpsamplingNearest2d": _upsample_2d,
    "fold": _fold,
    "upsample": _upsample_function,
}
