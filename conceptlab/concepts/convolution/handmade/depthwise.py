r"""The three maps where each group has one input channel.

There is no sum over channels, so a matrix product would have a single row. What remains is a sum over the taps,

$$ y_{c,m} = \sum_k w_{c,m,k}\; x_c[k], \qquad x_c[k]_p = x_{c,\,sp+dk} $$

with $m$ for the output channels of a group (mostly one): a multiply-add of a whole image for each tap.

To move a padded image by a tap is to add a number to the index of each pixel, when all pixels are numbered in one
sequence. So an image lies in memory as one long row, a tap is the same row from another start, and the processor meets
no edges. What is computed where a window straddles two rows is left out at the end. A stride $s$ first deals the pixels
out to $s$ smaller images on each axis, its *phases*, between which a window moves by 1. Samples are taken few at a time,
so that a sum stays in the processor's cache until it is complete.
"""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Size, Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry, wide

_CACHED = 2**17
"""Elements of a block on a CPU."""


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    rows = _Rows(geometry, x.shape[2:], weight.shape[2:], y.shape[2:])
    factors = _factors(weight, geometry.groups)
    for samples in _blocks(y):
        phases = rows.deal(wide(x[samples]))
        total, grid = rows.empty(phases, factors.shape[2])
        for n, ((phase, at), factor) in enumerate(zip(rows.taps, factors, strict=True)):
            tap = phases[phase][..., at]
            total.addcmul_(tap, factor) if n else torch.mul(tap, factor, out=total)
        y[samples].copy_(grid if bias is None else grid + wide(bias).reshape(-1, *[1] * (y.dim() - 2)))


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, geometry: Geometry) -> None:
    """Write the gradient by input into ``dx``."""
    rows = _Rows(geometry, dx.shape[2:], weight.shape[2:], g.shape[2:])
    factors = _factors(weight, geometry.groups)
    for samples in _blocks(g):
        upstream = rows.spread(wide(g[samples]), factors.shape[2])
        phases = upstream.new_zeros(rows.phases, upstream.shape[0], geometry.groups, 1, rows.length)
        for (phase, at), factor in zip(rows.taps, factors, strict=True):
            for m in range(factor.shape[1]):
                phases[phase][..., at].addcmul_(upstream[:, :, m : m + 1], factor[:, m : m + 1])
        dx[samples].copy_(rows.collect(phases))


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    rows = _Rows(geometry, x.shape[2:], dw.shape[2:], g.shape[2:])
    G, multiplier = geometry.groups, dw.shape[0] // geometry.groups
    total = wide(g).new_zeros(len(rows.taps), G, multiplier)
    for samples in _blocks(g):
        phases = rows.deal(wide(x[samples]))
        upstream = rows.spread(wide(g[samples]), multiplier)
        for sums, (phase, at) in zip(total, rows.taps, strict=True):
            sums += (upstream * phases[phase][..., at]).sum((0, -1))
    dw.copy_(total.permute(1, 2, 0).reshape(dw.shape))


class _Rows:
    """Where everything lies when each image is one row of pixels.

    Attributes:
        taps: for each tap its phase, and the part of the phase's row that it meets.
        phases: how many there are.
        length: pixels of a phase.
    """

    def __init__(self, geometry: Geometry, size: Size, kernel: Size, out: Size) -> None:
        self.geometry, self.size, self.out = geometry, size, out
        # a phase's size, and how far apart in its row two neighbours along each axis are
        axes = list(zip(size, geometry.padding, geometry.stride, strict=True))
        self.space = Size(-(-(n + 2 * p) // s) for n, p, s in axes)
        steps = [self.space[axis + 1 :].numel() for axis in range(len(size))]
        self.length, self.phases = self.space.numel(), Size(geometry.stride).numel()
        self.used = 1 + sum((n - 1) * step for n, step in zip(out, steps, strict=True))
        self.taps: list[tuple[int, slice]] = []
        for place in product(*map(range, kernel)):
            phase = start = 0
            for k, d, s, step in zip(place, geometry.dilation, geometry.stride, steps, strict=True):
                phase, start = phase * s + k * d % s, start + k * d // s * step
            self.taps.append((phase, slice(start, start + self.used)))

    def deal(self, x: Tensor) -> Tensor:
        """Images (n, G, \\*size), padded, as rows (phases, n, G, 1, length)."""
        n, G = x.shape[:2]
        whole = x.new_zeros(n, G, *(m * s for m, s in zip(self.space, self.geometry.stride, strict=True)))
        self._inside(whole).copy_(x)
        for axis, s in enumerate(self.geometry.stride):
            whole = whole.unflatten(2 + 2 * axis, (-1, s))
        rank = len(self.size)
        phases = whole.permute(*range(3, 3 + 2 * rank, 2), 0, 1, *range(2, 2 + 2 * rank, 2))
        return phases.reshape(self.phases, n, G, 1, self.length)

    def collect(self, phases: Tensor) -> Tensor:
        """The reverse of `deal`: images (n, G, \\*size), without padding."""
        n, G = phases.shape[1:3]
        rank = len(self.size)
        whole = phases.view(*self.geometry.stride, n, G, *self.space)
        order = [axis for pair in zip(range(2 + rank, 2 + 2 * rank), range(rank), strict=True) for axis in pair]
        whole = whole.permute(rank, rank + 1, *order)
        return self._inside(
            whole.reshape(n, G, *(m * s for m, s in zip(self.space, self.geometry.stride, strict=True)))
        )

    def empty(self, like: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
        """Room for a result as rows, (n, G, m, used), and the images in it, (n, G·m, \\*out)."""
        _, n, G = like.shape[:3]
        rows = like.new_zeros(n, G, multiplier, self.out[0] * self.space[1:].numel())
        images = rows.view(n, G * multiplier, self.out[0], *self.space[1:])
        return rows[..., : self.used], images[(..., *(slice(n) for n in self.out))]

    def spread(self, g: Tensor, multiplier: int) -> Tensor:
        """Images (n, G·m, \\*out) as rows (n, G, m, used), with zeros where a window would straddle two rows."""
        rows, images = self.empty(g[None, :, ::multiplier], multiplier)
        images.copy_(g)
        return rows

    def _inside(self, whole: Tensor) -> Tensor:
        return whole[(..., *(slice(p, p + n) for n, p in zip(self.size, self.geometry.padding, strict=True)))]


def _blocks(images: Tensor) -> Iterator[slice]:
    cached = _CACHED if images.device.type == "cpu" and not torch.compiler.is_compiling() else 2**27
    samples = max(cached // max(images.shape[1:].numel(), 1), 1)
    for b in range(0, images.shape[0], samples):
        yield slice(b, b + samples)


def _factors(weight: Tensor, groups: int) -> Tensor:
    """The weight by tap, (K, G, m, 1)."""
    by_tap = wide(weight).reshape(groups, weight.shape[0] // groups, weight.shape[2:].numel()).permute(2, 0, 1)
    return by_tap.contiguous().unsqueeze(-1)
