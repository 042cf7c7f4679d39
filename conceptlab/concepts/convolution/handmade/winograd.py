r"""The three maps with two multiplications for three: Winograd's trick, along one axis.

Two neighbouring outputs of a filter of three taps, $y_0 = d_0 w_0 + d_1 w_1 + d_2 w_2$ and $y_1 = d_1 w_0 + d_2 w_1 +
d_3 w_2$, are six products. These four are enough:

$$ m_0 = (d_0 - d_2)\, w_0, \quad m_1 = (d_1 + d_2)\, \tfrac{w_0 + w_1 + w_2}{2}, \quad
   m_2 = (d_2 - d_1)\, \tfrac{w_0 - w_1 + w_2}{2}, \quad m_3 = (d_3 - d_1)\, w_2 $$

$$ y_0 = m_0 + m_1 + m_2, \qquad y_1 = m_1 - m_2 + m_3 $$

as multiplying out shows: $m_1 + m_2 = d_1 w_1 + d_2 (w_0 + w_2)$ and $m_1 - m_2 = d_2 w_1 + d_1 (w_0 + w_2)$. The $d$
are rows of an image, the products are matrix products that sum over the channels and over the taps of the other axes as
in `columns`, and what surrounds them is a few additions.

All of it is linear, so the chain rule runs it backwards for the gradient by $w$: with $g_0, g_1$ for the gradients of
$y_0, y_1$, those of the $m$ are $g_0,\ g_0 + g_1,\ g_0 - g_1,\ g_1$. Each times the $d$ of its row gives the gradient
$t$ of a factor, and

$$ \frac{\partial L}{\partial w_0} = t_0 + \tfrac{t_1 + t_2}{2}, \quad \frac{\partial L}{\partial w_1} =
   \tfrac{t_1 - t_2}{2}, \quad \frac{\partial L}{\partial w_2} = \tfrac{t_1 + t_2}{2} + t_3 $$

The gradient by input is a convolution with the kernel turned round.

Precision: the additions cost a factor of about 1.5 in the rounding error. (On both axes at once, which saves more, it
is about 5.) Where a window holds an infinite value the result is NaN where the plain sum would be infinite;
and the gradient by the weight is NaN for all three taps where the plain one would be for some.

Source: Winograd, *Arithmetic complexity of computations*, 1980; Lavin, Gray, *Fast algorithms for convolutional neural
networks*, 2016.
"""

from collections.abc import Iterator

import torch
from torch import Size, Tensor

from conceptlab.concepts.convolution.handmade.columns import plus_product, samples_last, turned
from conceptlab.concepts.convolution.handmade.geometry import Geometry, reused
from conceptlab.core import wide

_CACHED = 2**19
"""Elements of a block: 2 MiB of float32."""
_MANY = 1024
"""Below so many outputs a matrix product spends its time on fetching the weights: then several samples go together."""

Block = tuple[slice, slice, slice]
"""A part of the result: samples, all channels, an even number of rows."""


def pays(weight: Tensor, images: Tensor, geometry: Geometry) -> bool:
    """Whether it can be done for ``images`` as the result, and is so large that the additions do not matter."""
    axes = zip(weight.shape[2:], geometry.padding, geometry.dilation, strict=True)
    fits = (
        weight.shape[2] == 3
        and geometry.groups == max(geometry.stride) == geometry.dilation[0] == 1
        and all(p <= d * (k - 1) for k, p, d in axes)
        and weight.is_floating_point()
    )
    large = min(weight.shape[:2]) >= 64 and images.shape[0] * images.shape[2:].numel() >= 2 * max(weight.shape[:2])
    # a GPU has faster products, and a compiled graph is to stay small
    return fits and large and weight.device.type == "cpu" and not torch.compiler.is_compiling()


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    w0, w1, w2 = wide(weight).unbind(2)
    outer = (w0 + w2).div_(2)
    factors = torch.stack([w0, outer.add(w1, alpha=0.5), outer.sub(w1, alpha=0.5), w2]).flatten(2)
    products = None
    for block, rows in _gathered(x, weight.shape[2:], y.shape[2:], geometry):
        target = samples_last(y[block])
        rows = rows.flatten(2)
        products = reused(products, (4, factors.shape[1], rows.shape[2]), rows)
        torch.bmm(factors, rows, out=products)
        m0, m1, m2, m3 = products.view(4, target.shape[0], -1, *target.shape[2:])
        first, second = m0.add_(m1).add_(m2), m3.add_(m1).sub_(m2)
        if bias is not None:
            for half in (first, second):
                half += wide(bias).reshape(-1, *[1] * (half.dim() - 1))
        target[:, 0::2].copy_(first)
        target[:, 1::2].copy_(second[:, : target.shape[1] // 2])


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the gradient by input, or the transposed convolution, into ``dx``."""
    axes = zip(weight.shape[2:], geometry.padding, geometry.dilation, strict=True)
    beyond = tuple(d * (k - 1) - p for k, p, d in axes)
    convolve(dx, g, turned(weight, 1), bias, geometry._replace(padding=beyond))


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    totals = sheet = None
    for block, rows in _gathered(x, dw.shape[2:], g.shape[2:], geometry):
        upstream = samples_last(g[block])
        sheet = reused(sheet, (4, upstream.shape[0], *rows.shape[2:]), rows)
        sheet[0] = upstream[:, 0::2]
        pairs = upstream.shape[1] // 2
        sheet[3, :, :pairs] = upstream[:, 1::2]
        sheet[3, :, pairs:] = 0  # an odd number of rows: the last has no partner
        torch.add(sheet[0], sheet[3], out=sheet[1])
        torch.sub(sheet[0], sheet[3], out=sheet[2])
        totals = plus_product(totals, sheet.flatten(2), rows.flatten(2).transpose(1, 2))
    t0, t1, t2, t3 = totals.view(4, *dw.shape[:2], *dw.shape[3:])
    half = (t1 + t2).div_(2)
    dw.copy_(torch.stack([t0 + half, (t1 - t2).div_(2), half + t3], 2))


def _gathered(x: Tensor, kernel: Size, out: Size, geometry: Geometry) -> Iterator[tuple[Block, Tensor]]:
    """Block by block, the four differences of rows, (4, C·K, pairs, \\*others, n), with K taps of the other axes."""
    rank = len(kernel)
    # an odd number of rows gets one more, of zeros
    padding = (geometry.padding[0] + 1, *geometry.padding[1:]) if out[0] % 2 else geometry.padding
    canvas = room = None
    for samples, bands in _blocks(x, kernel, out):
        part = samples_last(x[samples])  # (C, *size, n)
        # the border of zeros is drawn once; from block to block only what is inside of it changes
        if canvas is None:
            canvas = geometry._replace(padding=padding).canvas(part, wide(x).dtype)
            canvas[:, x.shape[2] + geometry.padding[0] :] = 0
        padded = canvas[..., : part.shape[-1]]
        geometry.inside(padded[:, : x.shape[2] + 2 * geometry.padding[0]]).copy_(part)
        windows = geometry.windows(padded, (1, *kernel[1:])).squeeze(2 + rank)  # (C, *out, n, *taps)
        windows = windows.permute(0, *range(2 + rank, 1 + 2 * rank), *range(1, 2 + rank))
        for band in bands:
            rows = windows[(slice(None),) * rank + (slice(band.start, band.stop + 2),)]
            even, odd = (rows[(slice(None),) * rank + (slice(first, None, 2),)] for first in (0, 1))
            pairs = min(band.stop - band.start, out[0] + out[0] % 2 - band.start) // 2
            d0, d2, d1, d3 = (half.narrow(rank, at, pairs) for half in (even, odd) for at in (0, 1))
            room = reused(room, (4, *d0.shape), padded)
            torch.sub(d0, d2, out=room[0])
            torch.add(d1, d2, out=room[1])
            torch.sub(d2, d1, out=room[2])
            torch.sub(d3, d1, out=room[3])
            yield (samples, slice(None), band), room.flatten(1, rank)


def _blocks(x: Tensor, kernel: Size, out: Size) -> Iterator[tuple[slice, list[slice]]]:
    """Samples that are computed together, each time with the bands of output rows that they are computed in."""
    B, C = x.shape[:2]
    fit = max(_CACHED // (2 * C * kernel[1:].numel() * out[1:].numel()), 2)  # output rows in a block
    samples = max(fit // out[0], _MANY // out.numel(), 1)
    count = -(-out[0] // fit) if samples == 1 else 1
    band = 2 * -(-out[0] // (2 * count))
    bands = [slice(r, r + band) for r in range(0, out[0], band)]
    for b in range(0, B, samples):
        yield slice(b, b + samples), bands
