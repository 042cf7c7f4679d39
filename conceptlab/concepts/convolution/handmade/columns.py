r"""The three maps as matrix products.

Lay the windows out as the columns of a matrix, $X_{(c,k),p} = x_{c,\,sp+dk}$, and the sums over $c$ and $k$, over $o$,
and over $p$ become products (of each group by itself; several samples stand side by side, in $p$):

$$ Y = w X, \qquad \partial L / \partial X = w^\top G, \qquad \partial L / \partial w = G X^\top $$

with $w$ as an (O, C·K) matrix and $G$, the gradient, as (O, P). An element of $x$ stands in many columns, and gets the
sum of their gradients.

$X$ has K times the size of $x$, too much to write to memory and read again. So it exists only in part: *blocks* of
samples, or of output rows where one sample is too large, that stay in the processor's cache between being gathered and
being multiplied. A kernel of size 1 needs no gathering at all: its $X$ is a view.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry, wide

_CACHED = 2**19
"""Elements of a block on a CPU: 2 MiB of float32, about a core's share of the second- and third-level cache."""
_FEW = 256
"""Below so many columns a matrix product spends its time on fetching the weights: then several samples go together."""


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    G, kernel, out = geometry.groups, weight.shape[2:], y.shape[2:]
    rows = wide(weight).reshape(G, weight.shape[0] // G, -1)  # (G, O/G, C/G·K)
    start = None if bias is None else wide(bias).reshape(G, -1, 1)
    windows = geometry.windows(geometry.pad(wide(x)), kernel)
    for block in _blocks(x, kernel, out):
        columns = _columns(windows[block], G)
        product = torch.bmm(rows, columns) if start is None else torch.baddbmm(start, rows, columns)
        target = y[block].transpose(0, 1)
        target.copy_(product.view(target.shape))


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, geometry: Geometry) -> None:
    """Write the gradient by input into ``dx``."""
    G, kernel, out = geometry.groups, weight.shape[2:], g.shape[2:]
    rows = wide(weight).reshape(G, weight.shape[0] // G, -1).transpose(1, 2)  # (G, C/G·K, O/G)
    g = wide(g)
    padded = geometry.pad(torch.zeros_like(dx, dtype=g.dtype, memory_format=torch.contiguous_format))
    taps = list(geometry.taps(padded, kernel, out))
    for block in _blocks(dx, kernel, out):
        columns = torch.bmm(rows, _sheet(g[block], G))
        n, _, *space = g[block].shape
        by_tap = columns.view(dx.shape[1], len(taps), n, *space).unbind(1)
        for tap, gradient in zip(taps, by_tap, strict=True):
            tap[block].transpose(0, 1).add_(gradient)
    dx.copy_(geometry.inside(padded))


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    G, kernel, out = geometry.groups, dw.shape[2:], g.shape[2:]
    g = wide(g)
    windows = geometry.windows(geometry.pad(wide(x)), kernel)
    total = g.new_zeros(G, dw.shape[0] // G, dw.shape[1:].numel())
    for block in _blocks(x, kernel, out):
        total.baddbmm_(_sheet(g[block], G), _columns(windows[block], G).transpose(1, 2))
    dw.copy_(total.view(dw.shape))


def _blocks(x: Tensor, kernel: Sequence[int], out: Sequence[int]) -> Iterator[tuple[slice, slice, slice]]:
    """Parts of the result, (samples, all channels, output rows), that are computed one after the other."""
    B, C = x.shape[:2]
    rows, row = out[0], torch.Size(out[1:]).numel()
    # a GPU is kept busy, and a compiled graph small, by one large product
    cached = _CACHED if x.device.type == "cpu" and not torch.compiler.is_compiling() else 2**27
    fit = cached // max(C * torch.Size(kernel).numel() * row, 1)  # output rows in a block
    samples = max(fit // rows, -(-_FEW // (rows * row)), 1)
    band = rows if samples > 1 else max(min(fit, rows), 1)
    for b in range(0, B, samples):
        for r in range(0, rows, band):
            yield slice(b, b + samples), slice(None), slice(r, r + band)


def _columns(windows: Tensor, groups: int) -> Tensor:
    """Windows (n, C, \\*out, \\*kernel) as the matrices X, (G, C/G·K, n·P)."""
    n, C, *rest = windows.shape
    rank = len(rest) // 2
    order = (1, *range(2 + rank, 2 + 2 * rank), 0, *range(2, 2 + rank))
    K, P = torch.Size(rest[rank:]).numel(), torch.Size(rest[:rank]).numel()
    return windows.permute(order).reshape(groups, C // groups * K, n * P)


def _sheet(g: Tensor, groups: int) -> Tensor:
    """Images (n, O, \\*out) as the matrices G, (G, O/G, n·P)."""
    n, O, *out = g.shape
    return g.transpose(0, 1).reshape(groups, O // groups, n * torch.Size(out).numel())
