"""Layers that PyTorch's ``module_db`` lacks, apart from pooling."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from conceptlab.core.samples import Sample
from conceptlab.verify.samples.draw import Draw, Maker


def layer(name: str, *forward: Any, init: tuple = (), smooth: bool = True, **init_kwargs: Any) -> Sample:
    """A layer's construction, and one call of it."""
    return Sample(name, forward, init_args=init, init_kwargs=init_kwargs, smooth=smooth)


def _dropout(draw: Draw) -> Iterator[Sample]:
    yield layer("as constructed", draw(3, 4, 5))
    yield layer("nothing dropped", draw(3, 4, 5), p=0.0)
    yield layer("nearly all dropped", draw(3, 4, 5), p=0.95)


def _embedding_bag(draw: Draw) -> Iterator[Sample]:
    for mode in ("sum", "mean", "max"):
        yield layer(f"{mode}, bags of one size", draw.whole(7, 3, 4), init=(7, 5), mode=mode)
        # the second bag is empty
        flat, offsets = draw.whole(7, 8), torch.tensor([0, 3, 3, 7])
        yield layer(f"{mode}, an empty bag", flat, offsets, init=(7, 5), mode=mode)
        yield layer(f"{mode}, padding", draw.whole(4, 3, 4), init=(7, 5), mode=mode, padding_idx=2)
        last = torch.tensor([0, 3, 8])
        yield layer(f"{mode}, the end given", flat, last, init=(7, 5), mode=mode, include_last_offset=True)
    weights = {"per_sample_weights": draw(3, 4)}
    yield Sample("weighted", (draw.whole(7, 3, 4),), weights, (7, 5), {"mode": "sum"})
    yield layer("32 bits", draw.whole(7, 3, 4, dtype=torch.int32), init=(7, 5))
    yield layer("shorter vectors", draw.whole(7, 3, 4), init=(7, 5), max_norm=1.0)
    yield layer("by the sum of sizes", draw.whole(7, 3, 4), init=(7, 5), max_norm=1.0, norm_type=1.0)
    # each word twice: torch 2.11 divides by how often another one occurs
    twice = torch.tensor([[1, 4, 1, 0], [4, 0, 3, 3]])
    yield layer("gradients by frequency", twice, init=(7, 5), scale_grad_by_freq=True)
    yield layer("sparse gradients", draw.whole(7, 3, 4), init=(7, 5), mode="sum", sparse=True)


def _fold(draw: Draw) -> Iterator[Sample]:
    yield layer("windows side by side", draw(2, 12, 6), init=((4, 6), 2), stride=2)
    yield layer("overlapping", draw(2, 12, 15), init=((4, 6), 2))
    yield layer("padded, dilated", draw(2, 18, 6), init=((4, 5), 3), dilation=2, padding=1, stride=1)
    yield layer("all different", draw(2, 12, 16), init=((5, 4), (2, 3)), dilation=(1, 1), padding=(0, 1), stride=(1, 1))
    yield layer("no batch axis", draw(12, 6), init=((4, 6), 2), stride=2)


def _unfold(draw: Draw) -> Iterator[Sample]:
    yield layer("windows side by side", draw(2, 3, 4, 6), init=(2,), stride=2)
    yield layer("overlapping", draw(2, 3, 4, 6), init=(2,))
    yield layer("padded, dilated", draw(2, 3, 4, 5), init=(3,), dilation=2, padding=1)
    yield layer("all different", draw(2, 3, 5, 6), init=((2, 3),), dilation=(1, 2), padding=(0, 1), stride=(2, 1))
    yield layer("no batch axis", draw(3, 4, 6), init=(2,))


def _flatten(draw: Draw) -> Iterator[Sample]:
    yield layer("from the channels on", draw(2, 3, 4, 5))
    yield layer("all", draw(2, 3, 4), init=(0,))
    yield layer("in the middle", draw(2, 3, 4, 5), init=(1, 2))
    yield layer("from the end", draw(2, 3, 4, 5), start_dim=-3, end_dim=-2)
    yield layer("one axis", draw(2, 3), init=(1, 1))
    yield layer("empty", draw(0, 3, 4))
    yield layer("a single number", draw(), init=(0,))


def _unflatten(draw: Draw) -> Iterator[Sample]:
    yield layer("two axes", draw(2, 12, 3), init=(1, (3, 4)))
    yield layer("one is left open", draw(2, 3, 12), init=(-1, (2, -1, 3)))


def _pixel_shuffle(draw: Draw) -> Iterator[Sample]:
    for factor in (1, 2, 3):
        yield layer(f"by {factor}", draw(2, factor * factor * 2, 3, 4), init=(factor,))
    yield layer("no batch axis", draw(4, 3, 2), init=(2,))
    yield layer("two batch axes", draw(2, 3, 4, 3, 2), init=(2,))
    yield layer("empty batch", draw(0, 4, 3, 2), init=(2,))


def _pixel_unshuffle(draw: Draw) -> Iterator[Sample]:
    for factor in (1, 2, 3):
        yield layer(f"by {factor}", draw(2, 2, factor * 3, factor * 2), init=(factor,))
    yield layer("no batch axis", draw(1, 6, 4), init=(2,))
    yield layer("two batch axes", draw(2, 3, 1, 6, 4), init=(2,))
    yield layer("empty batch", draw(0, 1, 6, 4), init=(2,))


def _channel_shuffle(draw: Draw) -> Iterator[Sample]:
    for groups in (1, 2, 3):
        yield layer(f"{groups} groups", draw(2, 6, 3, 2), init=(groups,))


def _triplet(draw: Draw) -> Iterator[Sample]:
    triple = draw(5, 4), draw(5, 4), draw(5, 4)
    for reduction in ("none", "mean", "sum"):
        yield layer(reduction, *triple, reduction=reduction)
    yield layer("a wide margin", *triple, margin=3.0)
    yield layer("by the sum of sizes", *triple, p=1.0)
    yield layer("a large eps", *triple, eps=0.1)
    yield layer("swapped", *triple, swap=True)
    yield layer("no batch axis", draw(4), draw(4), draw(4))


def _triplet_with_distance(draw: Draw) -> Iterator[Sample]:
    triple = draw(5, 4), draw(5, 4), draw(5, 4)
    yield layer("as constructed", *triple)
    yield layer("another distance", *triple, distance_function=nn.PairwiseDistance(p=1.0), margin=2.0)
    yield layer("swapped, summed", *triple, swap=True, reduction="sum")


def _cosine(draw: Draw) -> Iterator[Sample]:
    yield layer("rows", draw(5, 4), draw(5, 4))
    yield layer("images", draw(2, 3, 4, 5), draw(2, 3, 4, 5))
    yield layer("columns", draw(5, 4), draw(5, 4), dim=0)
    yield layer("one with all", draw(5, 4), draw(1, 4))
    yield layer("a large eps", draw(5, 4), draw(5, 4), eps=2.0)
    yield layer("vectors", draw(4), draw(4), dim=0)


def _pairwise(draw: Draw) -> Iterator[Sample]:
    yield layer("rows", draw(5, 4), draw(5, 4))
    yield layer("more axes", draw(2, 5, 4), draw(2, 5, 4))
    yield layer("one with all", draw(5, 4), draw(1, 4))
    yield layer("by the sum of sizes", draw(5, 4), draw(5, 4), p=1.0)
    yield layer("a third power", draw(5, 4), draw(5, 4), p=3.0, eps=0.1)
    yield layer("kept axis", draw(5, 4), draw(5, 4), keepdim=True)
    yield layer("vectors", draw(4), draw(4))


def _adaptive_log_softmax(draw: Draw) -> Iterator[Sample]:
    # every cluster is met, the rarest by the last target
    target = torch.tensor([0, 5, 9, 3, 11])
    yield layer("two clusters", draw(5, 8), target, init=(8, 12, [4, 8]))
    yield layer("one cluster", draw(5, 8), target, init=(8, 12, [4]))
    yield layer("smaller tails", draw(5, 8), target, init=(8, 12, [4, 8]), div_value=2.0, head_bias=True)
    yield layer("an unmet cluster", draw(5, 8), target.clamp(max=3), init=(8, 12, [4, 8]))
    yield layer("no batch axis", draw(8), target[1], init=(8, 12, [4, 8]))


def _transformer_decoder(draw: Draw) -> Iterator[Sample]:
    def decoder(name: str, *forward: Any, layers: int = 2, norm: bool = False, **settings: Any) -> Sample:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            one = nn.TransformerDecoderLayer(4, 2, 8, dtype=draw.dtype, **{"dropout": 0.0, **settings})
            last = nn.LayerNorm(4, dtype=draw.dtype) if norm else None
        return layer(name, *forward, init=(one, layers, last))

    yield decoder("time first", draw(5, 2, 4), draw(3, 2, 4))
    yield decoder("no batch axis", draw(5, 4), draw(3, 4))
    yield decoder("batch first, a norm at the end", draw(2, 5, 4), draw(2, 3, 4), norm=True, batch_first=True)
    yield decoder("norms first, gelu", draw(5, 2, 4), draw(3, 2, 4), norm_first=True, activation="gelu", layers=1)
    yield decoder("dropout", draw(5, 2, 4), draw(3, 2, 4), dropout=0.5, layers=1)
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=draw.dtype)
    yield decoder("the future hidden", draw(5, 2, 4), draw(3, 2, 4), mask, layers=1)


def _identity(draw: Draw) -> Iterator[Sample]:
    yield layer("as it is", draw(2, 3))
    yield layer("arguments that mean nothing", draw(2, 3), init=(54,), unused=0.1)


SAMPLES: Mapping[str, Maker] = {
    "AdaptiveLogSoftmaxWithLoss": _adaptive_log_softmax,
    "AlphaDropout": _dropout,
    "ChannelShuffle": _channel_shuffle,
    "CosineSimilarity": _cosine,
    "Dropout": _dropout,
    "Dropout1d": _dropout,
    "EmbeddingBag": _embedding_bag,
    "FeatureAlphaDropout": _dropout,
    "Flatten": _flatten,
    "Fold": _fold,
    "Identity": _identity,
    "PairwiseDistance": _pairwise,
    "PixelShuffle": _pixel_shuffle,
    "PixelUnshuffle": _pixel_unshuffle,
    "TransformerDecoder": _transformer_decoder,
    "TripletMarginLoss": _triplet,
    "TripletMarginWithDistanceLoss": _triplet_with_distance,
    "Unflatten": _unflatten,
    "Unfold": _unfold,
}
