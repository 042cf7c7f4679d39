r"""The three maps where each group has one input channel.

There is no sum over channels, so a matrix product would have a single row. What remains is a sum over the taps,

$$ y_{c,m} = \sum_k w_{c,m,k}\; x_c[k], \qquad x_c[k]_p = x_{c,\,sp+dk} $$

with $m$ for the output channels of a group (mostly one): a multiply-add of whole images for each tap. Samples are taken
few at a time, so that the sum stays in the processor's cache until it is complete.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry, wide

_CACHED = 2**17
"""Elements of a block on a CPU."""


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    kernel, out = weight.shape[2:], y.shape[2:]
    x, factors = wide(x), _factors(weight, geometry)
    for samples in _blocks(y):
        n = y[samples].shape[0]
        padded = geometry.pad(x[samples]).unsqueeze(2)
        total = factors.new_zeros(n, *factors.shape[1:3], *out)
        if bias is not None:
            total += wide(bias).reshape(factors.shape[1:3] + (1,) * len(out))
        for tap, factor in zip(geometry.taps(padded, kernel, out), factors, strict=True):
            total.addcmul_(tap, factor)
        y[samples].copy_(total.view(n, *y.shape[1:]))


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, geometry: Geometry) -> None:
    """Write the gradient by input into ``dx``."""
    kernel, out = weight.shape[2:], g.shape[2:]
    g, factors = wide(g), _factors(weight, geometry)
    for samples in _blocks(g):
        upstream = g[samples].unflatten(1, factors.shape[1:3])
        padded = geometry.pad(torch.zeros_like(dx[samples], dtype=g.dtype, memory_format=torch.contiguous_format))
        for tap, factor in zip(geometry.taps(padded, kernel, out), factors, strict=True):
            for m in range(factor.shape[1]):
                tap.addcmul_(upstream[:, :, m], factor[:, m])
        dx[samples].copy_(geometry.inside(padded))


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    kernel, out = dw.shape[2:], g.shape[2:]
    g, x = wide(g), wide(x)
    G, m = geometry.groups, dw.shape[0] // geometry.groups
    total = g.new_zeros(torch.Size(kernel).numel(), G, m)
    for samples in _blocks(g):
        upstream = g[samples].unflatten(1, (G, m))
        padded = geometry.pad(x[samples]).unsqueeze(2)
        for sums, tap in zip(total, geometry.taps(padded, kernel, out), strict=True):
            sums += (upstream * tap).sum((0, *range(3, upstream.dim())))
    dw.copy_(total.permute(1, 2, 0).reshape(dw.shape))


def _blocks(images: Tensor) -> Iterator[slice]:
    cached = _CACHED if images.device.type == "cpu" and not torch.compiler.is_compiling() else 2**27
    samples = max(cached // max(images.shape[1:].numel(), 1), 1)
    for b in range(0, images.shape[0], samples):
        yield slice(b, b + samples)


def _factors(weight: Tensor, geometry: Geometry) -> Tensor:
    """The weight by tap, (K, G, m, 1, …): each broadcasts over an image."""
    m, rank = weight.shape[0] // geometry.groups, weight.dim() - 2
    by_tap = wide(weight).reshape(geometry.groups, m, -1).permute(2, 0, 1)
    return by_tap.contiguous()[(..., *[None] * rank)]
