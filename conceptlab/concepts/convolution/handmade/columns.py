r"""The three maps as matrix products.

Lay the windows out as the columns of a matrix, $X_{(c,k),p} = x_{c,\,sp+dk}$, and the sums over $c$ and $k$, over $o$,
and over $p$ become products (of each group by itself; several samples stand side by side, in $p$):

$$ Y = w X, \qquad \partial L / \partial X = w^\top G, \qquad \partial L / \partial w = G X^\top $$

with $w$ as an (O, C·K) matrix and $G$, the gradient, as (O, P). An element of $x$ stands in many columns, and gets the
sum of their gradients.

$X$ has K times the size of $x$, and to gather it takes as long as to multiply it. Two things keep that small.

*Shifts.* Sort the rows of $X$ by $k_0$, the tap along the first axis: $Y = \sum_{k_0} w_{k_0} X_{k_0}$. All $X_{k_0}$
hold the same numbers, moved: with stride 1, what meets the tap $k_0$ in row $p_0$ meets the tap 0 in row $p_0 + d k_0$.
So one matrix is gathered along the other axes alone, for all rows of the input, and the $X_{k_0}$ are *views* of it,
$d k_0$ rows further on. Where the weights are many and the images small, sorting $w$ costs more than it spares, and the
first axis is gathered like the others.

*Blocks* of samples, or of output rows where one sample is too large, that stay in the processor's cache between being
gathered and being multiplied. Within a block the samples are the last axis, so that gathering copies long runs of
memory even where the images are small. A kernel of size 1 needs no gathering at all: its $X$ is a view.

With stride 1 the gradient by input is a convolution again, of $g$ with the kernel turned round and its two channel axes
exchanged: put $p = i - dk$ into its formula. That gathers where $w^\top G$ scatters, and gathering is the faster of the
two, unless the channels increase or the images are so small that turning the weights round is what takes the time.
"""

from collections.abc import Iterator

import torch
from torch import Size, Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry, reused
from conceptlab.core import in_pieces, wide

_CACHED = 2**18
"""Elements of a block on a CPU: 1 MiB of float32, half of a core's second-level cache."""
_FEW = 256
"""Below so many columns a matrix product spends its time on fetching the weights: then several samples go together."""

Block = tuple[slice, slice, slice]
"""A part of the result: samples, all channels, rows."""


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    layout = _Layout(x, weight, y, geometry)
    factors = layout.factors(weight)
    start = None if bias is None else wide(bias).reshape(geometry.groups, -1, 1)
    product = None
    for block, shifted in layout.gathered(x):
        target = samples_last(y[block])
        # one sample of a contiguous result is a matrix already, which the product can be written to
        direct = target.shape[-1] == 1 and y.is_contiguous() and y.dtype == factors.dtype
        shape = (geometry.groups, factors.shape[2], target.shape[1:].numel())
        product = target.view(shape) if direct else reused(product, shape, factors)
        if start is not None:
            product.copy_(start)
        for shift, (factor, columns) in enumerate(zip(factors, shifted, strict=True)):
            product.baddbmm_(factor, columns, beta=0 if start is None and shift == 0 else 1)
        if not direct:
            target.copy_(product.view(target.shape))


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the gradient by input, or the transposed convolution, into ``dx``."""
    beyond = [d * (k - 1) - p for k, p, d in zip(weight.shape[2:], geometry.padding, geometry.dilation, strict=True)]
    fits = max(geometry.stride) == 1 and min(beyond) >= 0
    # gathering from g moves O · size numbers for each tap, scattering into dx twice C · out
    gathering, scattering = weight.shape[0] * dx.shape[2:].numel(), 2 * dx.shape[1] * g.shape[2:].numel()
    small = g.shape[0] * g.shape[2:].numel() < 2 * weight.shape[0]
    if fits and (weight.shape[2:].numel() == 1 or (gathering <= scattering and not small)):
        backwards = turned(weight, geometry.groups)
        convolve(dx, g, backwards, bias, geometry._replace(padding=tuple(beyond)))
    else:
        _scatter(dx, g, weight, bias, geometry)


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    layout = _Layout(x, dw, g, geometry)
    totals: list[Tensor] = []
    for block, shifted in layout.gathered(x):
        sheet = _sheet(g[block], geometry.groups)
        products = [(sheet, columns.transpose(1, 2)) for columns in shifted]
        if totals:
            for total, product in zip(totals, products, strict=True):
                total.baddbmm_(*product)
        else:
            totals = [torch.bmm(*product) for product in products]
    by_shift = dw.view(*dw.shape[:2], len(layout.shifts), -1).unbind(2)
    for target, total in zip(by_shift, totals or torch.zeros_like(dw)[None], strict=True):
        target.copy_(total.view(target.shape))


def turned(weight: Tensor, groups: int) -> Tensor:
    """The kernel backwards, from output to input channels: (O, C/G, \\*k) to (C, O/G, \\*k)."""
    by_group = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    return by_group.flip(tuple(range(2, weight.dim()))) if weight.shape[2:].numel() > 1 else by_group


def _scatter(dx: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """The gradient by input as $w^\\top G$, each column added to the window that it came from."""
    layout = _Layout(dx, weight, g, geometry)
    factors = layout.factors(weight).transpose(2, 3)
    columns = None
    for samples, bands in layout.blocks():
        part = samples_last(dx[samples])
        padded = geometry.canvas(part, factors.dtype)
        if bias is None:
            padded.zero_()
        else:
            padded.copy_(bias.reshape(-1, *[1] * (padded.dim() - 1)))
        for band in bands:
            columns = reused(columns, layout.shape(part, band), padded)
            if len(factors) > 1:
                columns.zero_()
            sheet = _sheet(g[samples, :, band], geometry.groups)
            for factor, shifted in zip(factors, layout.shifted(columns), strict=True):
                shifted.baddbmm_(factor, sheet, beta=0 if len(factors) == 1 else 1)
            layout.add(padded, columns, band)
        part.copy_(geometry.inside(padded))


class _Layout:
    """How the windows of images (B, C, \\*size) lie as columns, (C, \\*taps, rows, \\*out[1:], n).

    With shifts the rows are those of the input, and the taps those of all axes but the first; without, the rows are
    those of the output and the taps all there are, which is one shift by no row.
    """

    def __init__(self, x: Tensor, weight: Tensor, y: Tensor, geometry: Geometry) -> None:
        self.x, self.out, self.geometry, self.kernel = x, y.shape[2:], geometry, weight.shape[2:]
        self.shifts = [0]
        height = x.shape[2] + 2 * geometry.padding[0]
        if self._shifting_pays(weight, height):
            self.shifts = [k * geometry.dilation[0] for k in range(self.kernel[0])]
            self.kernel = Size((1, *self.kernel[1:]))
        self.height = self.out[0] + self.shifts[-1]
        self.gathers = self.kernel.numel() > 1
        self.per_row = (x.shape[1] * self.kernel.numel() + weight.shape[0]) * self.out[1:].numel()

    def _shifting_pays(self, weight: Tensor, height: int) -> bool:
        """Whether it spares more copies than it makes: of the weights, and of sums that are read and written again."""
        first, others = self.kernel[0], self.kernel[1:].numel()
        B, C = self.x.shape[:2]
        spared = B * C * self.out[1:].numel() * others * (first * self.out[0] - height)
        again = (first - 1) * B * weight.shape[0] * self.out.numel()
        return self.geometry.stride[0] == 1 and spared > 3 * weight.numel() + again // 6

    def factors(self, weight: Tensor) -> Tensor:
        """The weights for each shift, (shifts, G, O/G, C/G·taps)."""
        S, G, size = len(self.shifts), self.geometry.groups, weight.shape
        by_shift = wide(weight).reshape(*size[:2], S, self.kernel.numel()).movedim(2, 0)
        return by_shift.reshape(S, G, size[0] // G, size[1] * self.kernel.numel())

    def shape(self, part: Tensor, band: slice) -> tuple[int, ...]:
        """That of the columns for a band of output rows of images (C, \\*size, n)."""
        return (part.shape[0], *self.kernel, self._rows(band), *self.out[1:], part.shape[-1])

    def shifted(self, columns: Tensor) -> list[Tensor]:
        """The columns that meet each shift, (G, C/G·taps, P·n): views, where there was something to gather."""
        at, G = 1 + len(self.kernel), self.geometry.groups
        rows = columns.shape[at] - self.shifts[-1]
        shape = (G, columns.shape[:at].numel() // G, rows * columns.shape[at + 1 :].numel())
        return [columns.narrow(at, shift, rows).reshape(shape) for shift in self.shifts]

    def gathered(self, x: Tensor) -> Iterator[tuple[Block, list[Tensor]]]:
        """Block by block, the columns that meet each shift."""
        rank = len(self.kernel)
        canvas = room = None
        for samples, bands in self.blocks():
            part = samples_last(x[samples])  # (C, *size, n)
            if not any(self.geometry.padding):
                padded = wide(part).contiguous()
            else:
                # the border of zeros is drawn once; from block to block only what is inside of it changes
                canvas = self.geometry.canvas(part, wide(x).dtype) if canvas is None else canvas
                padded = canvas[..., : part.shape[-1]]
                self.geometry.inside(padded).copy_(part)
            windows = self.geometry.windows(padded, self.kernel)  # (C, rows, *out[1:], n, *taps)
            windows = windows.permute(0, *range(2 + rank, 2 + 2 * rank), *range(1, 2 + rank))
            for band in bands:
                columns = windows.narrow(1 + rank, band.start, self._rows(band))
                if self.gathers:
                    room = reused(room, columns.shape, padded)
                    columns = room.copy_(columns)
                yield (samples, slice(None), band), self.shifted(columns)

    def add(self, padded: Tensor, columns: Tensor, band: slice) -> None:
        """Add each column to the window that it stands for, of padded images (C, \\*size, n)."""
        taps = self.geometry.taps(padded, self.kernel, (self.height, *self.out[1:]))
        for tap, gradient in zip(taps, columns.flatten(1, len(self.kernel)).unbind(1), strict=True):
            tap.narrow(1, band.start, self._rows(band)).add_(gradient)

    def blocks(self) -> Iterator[tuple[slice, list[slice]]]:
        """Samples that are computed together, each time with the bands of output rows that they are computed in."""
        B = self.x.shape[0]
        cached = _CACHED if in_pieces(self.x) else 2**27
        fit = max(cached // max(self.per_row, 1), 1)  # output rows in a block
        if self.gathers:
            samples = -(-_FEW // self.out.numel())
            if 4 * self.per_row * self.out[0] < cached:
                # many small ones, so that a block is worth the calls that it takes
                samples = max(samples, fit // self.out[0])
            count = -(-self.out[0] // fit) if samples == 1 else 1
        else:
            # one sample alone needs no copy
            samples, count = -(-_FEW // (2 * self.out.numel())) if in_pieces(self.x) else B, 1
        rows = -(-self.out[0] // count)
        # no small rest
        samples = max(-(-B // max(-(-B // max(samples, 1)), 1)), 1)
        bands = [slice(r, min(r + rows, self.out[0])) for r in range(0, self.out[0], rows)]
        for b in range(0, B, samples):
            yield slice(b, b + samples), bands

    def _rows(self, band: slice) -> int:
        """How many rows of columns a band of output rows needs."""
        return band.stop - band.start + self.shifts[-1]


def samples_last(images: Tensor) -> Tensor:
    """(n, C, \\*size) as (C, \\*size, n)."""
    return images.permute(*range(1, images.dim()), 0)


def _sheet(g: Tensor, groups: int) -> Tensor:
    """Images (n, O, \\*out) as the matrices G, (G, O/G, P·n)."""
    sheet = samples_last(wide(g))
    return sheet.reshape(groups, sheet.shape[0] // groups, sheet.shape[1:].numel())
