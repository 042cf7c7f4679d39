r"""The three maps where each group has one input channel.

There is no sum over channels, so a matrix product would have a single row. What remains is a sum over the taps,

$$ y_{c,m} = \sum_k w_{c,m,k}\; x_c[k], \qquad x_c[k]_p = x_{c,\,sp+dk} $$

with $m$ for the output channels of a group (mostly one): a multiply-add of a whole image for each tap.

Seen as one line of memory, row after row, a padded image meets a tap at a fixed distance: the place of $p$ moved on by
$dk$. So $x_c[k]$ is one long run of that line, and the result another one, in rows of the *padded* width; what lies
between the end of an output row and that of a padded row means nothing, and is left out in the end. With a stride, the
image is first sorted into $s$ images for each axis, by the remainder of the place, and a tap moves within one of them:
$sp + dk = s (p + q) + r$ for $dk = qs + r$.

A few images at a time, so that a sum stays in the processor's cache until it is complete.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Size, Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry, reused
from conceptlab.core import in_pieces, wide

_CACHED = 2**17
"""Elements of a block on a CPU."""


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    lines, factors, targets = _Lines(x, weight, y, geometry), _by_tap(weight, geometry), _by_group(y, geometry)
    start = None if bias is None else bias.view(geometry.groups, -1, 1)
    images = total = None
    for samples, groups in lines.blocks():
        target = targets[samples, groups]
        images = lines.sorted(x[samples, groups], images)
        total = lines.result(target, factors, total)
        runs = zip(lines.runs(images), factors[:, groups], strict=True)
        so_far = None if start is None else start[groups]
        for run, factor in runs:
            if so_far is None:
                torch.mul(run.unsqueeze(2), factor, out=total)
            else:
                torch.addcmul(so_far, run.unsqueeze(2), factor, out=total)
            so_far = total
        target.copy_(lines.inside(total))


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the gradient by input, or the transposed convolution, into ``dx``."""
    lines, factors, upstreams = _Lines(dx, weight, g, geometry), _by_tap(weight, geometry), _by_group(g, geometry)
    start = (weight.new_zeros(geometry.groups) if bias is None else bias).reshape(-1, *[1] * len(lines.size))
    upstream = images = None
    for samples, groups in lines.blocks():
        upstream = lines.spread(upstreams[samples, groups], upstream)
        images = lines.images(dx[samples, groups], factors, images).copy_(start[groups])
        for run, factor in zip(lines.runs(images), factors[:, groups], strict=True):
            for gradient, w in zip(upstream.unbind(2), factor.unbind(1), strict=True):
                run.addcmul_(gradient, w)
        for image, place, origin in lines.remainders(images):
            dx[samples, groups][origin] = image[place]


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    lines, upstreams, factors = _Lines(x, dw, g, geometry), _by_group(wide(g), geometry), _by_tap(dw, geometry)
    totals = torch.zeros_like(factors)
    images = products = None
    for samples, groups in lines.blocks():
        upstream = upstreams[samples, groups]
        images = lines.sorted(x[samples, groups], images)
        products = reused(products, upstream.shape, upstream)
        # row by row: between the rows, a zero times infinity would be NaN
        for met, total in zip(lines.met(images), totals[:, groups], strict=True):
            torch.mul(upstream, met.unsqueeze(2), out=products)
            total += products.flatten(3).sum((0, -1)).unsqueeze(-1)
    dw.copy_(totals.squeeze(-1).permute(1, 2, 0).reshape(dw.shape))


class _Lines:
    """How images ``x`` (B, G, \\*size) and results ``y`` (B, G·m, \\*out) lie as lines."""

    def __init__(self, x: Tensor, weight: Tensor, y: Tensor, geometry: Geometry) -> None:
        self.x, self.geometry, self.kernel, self.out = x, geometry, weight.shape[2:], y.shape[2:]
        axes = zip(x.shape[2:], geometry.padding, geometry.stride, strict=True)
        self.size = Size(-(-(n + 2 * p) // s) for n, p, s in axes)  # of each sorted image
        self.steps = [self.size[axis + 1 :].numel() for axis in range(len(self.size))]
        self.length = sum((n - 1) * step for n, step in zip(self.out, self.steps, strict=True)) + 1

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Samples and groups that are computed together."""
        B, G = self.x.shape[:2]
        images = max((_CACHED if in_pieces(self.x) else 2**27) // max(self.size.numel(), 1), 1)
        samples = max(images // max(G, 1), 1)
        for b in range(0, B, samples):
            for c in range(0, G, images):
                yield slice(b, b + samples), slice(c, c + images)

    def images(self, x: Tensor, like: Tensor, old: Tensor | None) -> Tensor:
        """Room for the sorted images, (\\*remainders, n, g, \\*size), with a border of zeros."""
        return _zeros((*self.geometry.stride, *x.shape[:2], *self.size), like, old)

    def remainders(self, images: Tensor) -> Iterator[tuple[Tensor, Any, Any]]:
        """The image of each remainder, and which places of it are which places of the original."""
        for remainder in product(*map(range, self.geometry.stride)):
            places, origins = [], []
            axes = zip(remainder, self.x.shape[2:], self.geometry.padding, self.geometry.stride, strict=True)
            for r, n, p, s in axes:
                first = (r - p) % s
                at = (first + p - r) // s
                places.append(slice(at, at + len(range(first, n, s))))
                origins.append(slice(first, None, s))
            yield images[remainder], (..., *places), (..., *origins)

    def sorted(self, x: Tensor, old: Tensor | None) -> Tensor:
        """``x``, sorted by remainders, with its padding."""
        images = self.images(x, wide(x), old)
        for image, place, origin in self.remainders(images):
            image[place] = x[origin]
        return images

    def taps(self) -> Iterator[tuple[tuple[int, ...], list[int]]]:
        """For each tap the remainder of the image that it meets, and how far it has moved there along each axis."""
        for tap in product(*map(range, self.kernel)):
            axes = list(zip(tap, self.geometry.dilation, self.geometry.stride, strict=True))
            yield tuple(k * d % s for k, d, s in axes), [k * d // s for k, d, s in axes]

    def met(self, images: Tensor) -> Iterator[Tensor]:
        """For each tap what it meets, (n, g, \\*out), as a view."""
        for remainder, moved in self.taps():
            place: Any = (..., *(slice(q, q + n) for q, n in zip(moved, self.out, strict=True)))
            yield images[remainder][place]

    def runs(self, images: Tensor) -> Iterator[Tensor]:
        """For each tap the run of the line that it meets, (n, g, length), as a view."""
        lines = images.flatten(len(self.kernel) + 2)
        for remainder, moved in self.taps():
            start = sum(q * step for q, step in zip(moved, self.steps, strict=True))
            yield lines[remainder][..., start : start + self.length]

    def result(self, y: Tensor, like: Tensor, old: Tensor | None) -> Tensor:
        """Room for results (n, g, m, \\*out), as lines, (n, g, m, length)."""
        return _zeros((*y.shape[:3], self.length), like, old)

    def inside(self, lines: Tensor) -> Tensor:
        """What means something in the lines of a result, (n, g, m, \\*out), as a view."""
        strides = (*lines.stride()[:3], *self.steps)
        return lines.as_strided((*lines.shape[:3], *self.out), strides)

    def spread(self, y: Tensor, old: Tensor | None) -> Tensor:
        """Results as lines, with zeros at the places that mean nothing."""
        lines = self.result(y, wide(y), old)
        self.inside(lines).copy_(y)
        return lines


def _zeros(shape: tuple[int, ...], like: Tensor, old: Tensor | None) -> Tensor:
    """Zeros, or the ``old`` memory, whose zeros are where they have to be."""
    return like.new_zeros(shape) if old is None or old.shape != shape else old


def _by_tap(weight: Tensor, geometry: Geometry) -> Tensor:
    """The weight as (K, G, m, 1)."""
    taps = wide(weight).reshape(geometry.groups, -1, weight.shape[2:].numel())
    return taps.permute(2, 0, 1).unsqueeze(-1).contiguous()


def _by_group(y: Tensor, geometry: Geometry) -> Tensor:
    """A view of images (n, G·m, \\*out) as (n, G, m, \\*out)."""
    return y.unflatten(1, (geometry.groups, -1))
