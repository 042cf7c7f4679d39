r"""The three maps as matrix products.

Lay the windows out as the columns of a matrix, $X_{(c,k),p} = x_{c,\,sp+dk}$, and the sums over $c$ and $k$, over $o$,
and over $p$ become products (of each group by itself; several samples stand side by side, in $p$):

$$ Y = w X, \qquad \partial L / \partial X = w^\top G, \qquad \partial L / \partial w = G X^\top $$

with $w$ as an (O, C·K) matrix and $G$, the gradient, as (O, P). An element of $x$ stands in many columns, and gets the
sum of their gradients.

$X$ has K times the size of $x$, too much to write to memory and read again. So it exists only in part: *blocks* of
samples, or of output rows where one sample is too large, that stay in the processor's cache between being gathered and
being multiplied. Within a block the samples are the last axis, so that gathering copies long runs of memory even where
the images are small. A kernel of size 1 needs no gathering at all: its $X$ is a view.

With stride 1 the gradient by input is a convolution again, of $g$ with the kernel turned round and its two channel axes
exchanged: put $p = i - dk$ into its formula. That gathers where $w^\top G$ scatters, and gathering is the faster of the
two, unless the channels increase or the images are so small that turning the weights round is what takes the time.
"""

from collections.abc import Iterator

import torch
from torch import Size, Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry, reused
from conceptlab.core import wide

_CACHED = 2**18
"""Elements of a block on a CPU: 1 MiB of float32, about a core's second-level cache."""
_FEW = 256
"""Below so many columns a matrix product spends its time on fetching the weights: then several samples go together."""

Block = tuple[slice, slice, slice]
"""A part of the result: samples, all channels, rows."""


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    G, kernel = geometry.groups, weight.shape[2:]
    rows = wide(weight).reshape(G, weight.shape[0] // G, weight.shape[1:].numel())
    start = None if bias is None else wide(bias).reshape(G, -1, 1)
    product = None
    for block, columns in _gathered(x, kernel, y.shape[2:], geometry):
        target = samples_last(y[block])
        # one sample of a contiguous result is a matrix already, which the product can be written to
        direct = target.shape[-1] == 1 and y.is_contiguous() and y.dtype == columns.dtype
        shape = (G, rows.shape[1], columns.shape[2])
        product = target.view(shape) if direct else reused(product, shape, columns)
        if start is not None:
            product.copy_(start)
        product.baddbmm_(rows, columns, beta=0 if start is None else 1)
        if not direct:
            target.copy_(product.view(target.shape))


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the gradient by input, or the transposed convolution, into ``dx``."""
    beyond = [d * (k - 1) - p for k, p, d in zip(weight.shape[2:], geometry.padding, geometry.dilation, strict=True)]
    fits = max(geometry.stride) == 1 and min(beyond) >= 0
    # gathering from g moves O · size numbers for each tap, scattering into dx twice C · out
    gathering, scattering = weight.shape[0] * dx.shape[2:].numel(), 2 * dx.shape[1] * g.shape[2:].numel()
    small = g.shape[0] * g.shape[2:].numel() < weight.shape[0]
    if fits and (weight.shape[2:].numel() == 1 or (gathering <= scattering and not small)):
        backwards = turned(weight, geometry.groups)
        convolve(dx, g, backwards, bias, geometry._replace(padding=tuple(beyond)))
    else:
        _scatter(dx, g, weight, bias, geometry)


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    G = geometry.groups
    total = None
    for block, columns in _gathered(x, dw.shape[2:], g.shape[2:], geometry):
        total = plus_product(total, _sheet(g[block], G), columns.transpose(1, 2))
    dw.copy_(torch.zeros_like(dw) if total is None else total.view(dw.shape))


def plus_product(total: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """The total so far and one product more, in place; the first is written, and not added to zeros."""
    return torch.bmm(a, b) if total is None else total.baddbmm_(a, b)


def turned(weight: Tensor, groups: int) -> Tensor:
    """The kernel backwards, from output to input channels: (O, C/G, \\*k) to (C, O/G, \\*k)."""
    by_group = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    return by_group.flip(tuple(range(2, weight.dim()))) if weight.shape[2:].numel() > 1 else by_group


def _scatter(dx: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """The gradient by input as $w^\\top G$, each column added to the window that it came from."""
    G, kernel = geometry.groups, weight.shape[2:]
    rows = wide(weight).reshape(G, weight.shape[0] // G, weight.shape[1:].numel()).transpose(1, 2)
    for samples, bands in _blocks(dx, kernel, g.shape[2:]):
        part = samples_last(dx[samples])
        padded = geometry.canvas(part, wide(g).dtype)
        if bias is None:
            padded.zero_()
        else:
            padded.copy_(bias.reshape(-1, *[1] * (padded.dim() - 1)))
        taps = list(geometry.taps(padded, kernel, g.shape[2:]))
        for band in bands:
            columns = torch.bmm(rows, _sheet(g[samples, :, band], G))
            by_tap = columns.view(part.shape[0], len(taps), *taps[0][:, band].shape[1:]).unbind(1)
            for tap, gradient in zip(taps, by_tap, strict=True):
                tap[:, band].add_(gradient)
        part.copy_(geometry.inside(padded))


def _gathered(x: Tensor, kernel: Size, out: Size, geometry: Geometry) -> Iterator[tuple[Block, Tensor]]:
    """Block by block, the matrices X, (G, C/G·K, P·n)."""
    G, C, rank = geometry.groups, x.shape[1], len(kernel)
    canvas = room = None
    for samples, bands in _blocks(x, kernel, out):
        part = samples_last(x[samples])  # (C, *size, n)
        if not any(geometry.padding):
            padded = wide(part).contiguous()
        else:
            # the border of zeros is drawn once; from block to block only what is inside of it changes
            canvas = geometry.canvas(part, wide(x).dtype) if canvas is None else canvas
            padded = canvas[..., : part.shape[-1]]
            geometry.inside(padded).copy_(part)
        windows = geometry.windows(padded, kernel)  # (C, *out, n, *kernel)
        windows = windows.permute(0, *range(2 + rank, 2 + 2 * rank), *range(1, 2 + rank))
        for band in bands:
            block = windows[(slice(None),) * (1 + rank) + (band,)]
            if kernel.numel() > 1:
                room = reused(room, block.shape, padded)
                block = room.copy_(block)
            shape = (G, C // G * kernel.numel(), block.shape[1 + rank :].numel())
            yield (samples, slice(None), band), block.reshape(shape)


def _blocks(x: Tensor, kernel: Size, out: Size) -> Iterator[tuple[slice, list[slice]]]:
    """Samples that are computed together, each time with the bands of output rows that they are computed in."""
    B, C = x.shape[:2]
    # a GPU is kept busy, and a compiled graph small, by one large product
    cached = _CACHED if x.device.type == "cpu" and not torch.compiler.is_compiling() else 2**27
    fit = max(cached // max(C * kernel.numel() * out[1:].numel(), 1), 1)  # output rows in a block
    if kernel.numel() > 1:
        samples = max(-(-_FEW // out.numel()), fit // out[0])
    else:
        samples = -(-_FEW // (2 * out.numel()))  # one sample alone needs no copy
    count = -(-out[0] // fit) if samples == 1 else 1
    band = -(-out[0] // count)
    bands = [slice(r, r + band) for r in range(0, out[0], band)]
    for b in range(0, B, samples):
        yield slice(b, b + samples), bands


def samples_last(images: Tensor) -> Tensor:
    """(n, C, \\*size) as (C, \\*size, n)."""
    return images.permute(*range(1, images.dim()), 0)


def _sheet(g: Tensor, groups: int) -> Tensor:
    """Images (n, O, \\*out) as the matrices G, (G, O/G, P·n)."""
    sheet = samples_last(wide(g))
    return sheet.reshape(groups, sheet.shape[0] // groups, sheet.shape[1:].numel())
