"""Samples of our own, found by torch's name: what PyTorch's test suite lacks, and shapes from real networks.

A concept's own samples stand in its folder. These are about names that no concept has, and about what holds for a
name whoever implements it.
"""

from collections.abc import Iterator, Mapping

import torch

from conceptlab.core.samples import Sample
from conceptlab.verify.samples import functions, layers, networks, pools
from conceptlab.verify.samples.draw import Draw, Maker

_MAKERS: tuple[Mapping[str, Maker], ...] = (
    layers.SAMPLES,
    pools.SAMPLES,
    functions.SAMPLES,
    functions.ACTIVATIONS,
    networks.SAMPLES,
)


def names() -> list[str]:
    """torch's names of which there are samples.

    >>> "TransformerDecoder" in names()
    True
    """
    return sorted({name for makers in _MAKERS for name in makers})


def samples(name: str, dtype: torch.dtype) -> Iterator[Sample]:
    """The samples of one of torch's names, the same in every run; none, where there are none.

    >>> next(samples("Flatten", torch.float64)).name
    'from the channels on'
    """
    for makers in _MAKERS:
        if name in makers:
            yield from makers[name](Draw(dtype))
