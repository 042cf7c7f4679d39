r"""The three maps where each group has one input channel.

There is no sum over channels, so a matrix product would have a single row. What remains is a sum over the taps,

$$ y_{c,m} = \sum_k w_{c,m,k}\; x_c[k], \qquad x_c[k]_p = x_{c,\,sp+dk} $$

with $m$ for the output channels of a group (mostly one): a multiply-add of a whole image for each tap. The channels are
laid out as the last axis, where the processor takes many at once, whatever the stride and however small the image. A
few samples at a time, so that a sum stays in the processor's cache until it is complete.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry, wide

_CACHED = 2**17
"""Elements of a block on a CPU."""


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    kernel, out, factors = weight.shape[2:], y.shape[2:], _by_tap(weight, geometry)
    for samples in _blocks(y):
        target = _split(y[samples], geometry)
        total = factors.new_zeros(target.shape)
        for tap, factor in zip(geometry.taps(_padded(x[samples], geometry), kernel, out), factors, strict=True):
            total.addcmul_(tap.unsqueeze(-2), factor)
        if bias is not None:
            total += wide(bias).reshape(geometry.groups, -1).t()
        target.copy_(total)


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, geometry: Geometry) -> None:
    """Write the gradient by input into ``dx``."""
    kernel, out, factors = weight.shape[2:], g.shape[2:], _by_tap(weight, geometry)
    for samples in _blocks(g):
        upstream = _split(wide(g[samples]), geometry).contiguous()
        target = dx[samples].movedim(1, -1)
        canvas = geometry.canvas(target, factors.dtype)
        for tap, factor in zip(geometry.taps(canvas, kernel, out), factors, strict=True):
            for gradient, w in zip(upstream.unbind(-2), factor, strict=True):
                tap.addcmul_(gradient, w)
        target.copy_(geometry.inside(canvas))


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    kernel, out, total = dw.shape[2:], g.shape[2:], torch.zeros_like(_by_tap(dw, geometry))
    for samples in _blocks(g):
        upstream = _split(wide(g[samples]), geometry).contiguous()
        for tap, sums in zip(geometry.taps(_padded(x[samples], geometry), kernel, out), total, strict=True):
            sums += (upstream * tap.unsqueeze(-2)).sum(tuple(range(upstream.dim() - 2)))
    dw.copy_(total.permute(2, 1, 0).reshape(dw.shape))


def _blocks(images: Tensor) -> Iterator[slice]:
    cached = _CACHED if images.device.type == "cpu" and not torch.compiler.is_compiling() else 2**27
    samples = max(cached // max(images.shape[1:].numel(), 1), 1)
    for b in range(0, images.shape[0], samples):
        yield slice(b, b + samples)


def _by_tap(weight: Tensor, geometry: Geometry) -> Tensor:
    """The weight as (K, m, G)."""
    return wide(weight).reshape(geometry.groups, -1, weight.shape[2:].numel()).permute(2, 1, 0).contiguous()


def _padded(x: Tensor, geometry: Geometry) -> Tensor:
    """Images (n, G, \\*size) as (n, \\*padded, G)."""
    x = wide(x).movedim(1, -1)
    if not any(geometry.padding):
        return x.contiguous()
    canvas = geometry.canvas(x, x.dtype)
    geometry.inside(canvas).copy_(x)
    return canvas


def _split(y: Tensor, geometry: Geometry) -> Tensor:
    """A view of images (n, G·m, \\*out) as (n, \\*out, m, G)."""
    return y.unflatten(1, (geometry.groups, -1)).movedim((2, 1), (-2, -1))
