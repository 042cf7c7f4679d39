"""One axis after the other: the sums, forward and transposed."""

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

from conceptlab.concepts.interpolation.handmade.axis import Axis
from conceptlab.core import in_pieces

_BLOCK = 32
"""Pixels at a time: the product is dense, and so costs by the width of the block."""


def along(x: Tensor, at: int, axis: Axis) -> Tensor:
    """A x along the axis ``at``: a new tensor."""
    if axis.repeats:
        return _repeated(x, at, axis.repeats)
    if axis.phases:
        return _between(x, at, axis.phases)
    if axis.smooth:
        return product(x, at, axis.matrix(x), axis.seen)
    return _gathered(x, at, *axis.taps(x))


def back_along(g: Tensor, at: int, axis: Axis) -> Tensor:
    """Aᵀ g along the axis ``at``: a new tensor."""
    if axis.size == 1:
        return g.sum(at, keepdim=True)
    if axis.repeats:
        return reduce(torch.add, _phases(g, at, axis.repeats))
    if axis.phases:
        return _back_from_between(g, at, axis.phases)
    return product(g, at, axis.matrix(g).t(), axis.readers)


def _gathered(x: Tensor, at: int, places: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """The sum over the taps of weight times what lies at the place."""
    if not weights:
        return _taken(x, at, *places)
    shape = [-1] + [1] * (x.dim() - at - 1)
    total = _taken(x, at, places[0]).mul_(weights[0].reshape(shape))
    for place, weight in zip(places[1:], weights[1:], strict=True):
        total.addcmul_(_taken(x, at, place), weight.reshape(shape))
    return total


def _taken(x: Tensor, at: int, place: Tensor) -> Tensor:
    # of whole rows `index_select` is the faster, of single numbers by far the slower
    return x[..., place] if at == x.dim() - 1 else x.index_select(at, place)


def product(x: Tensor, at: int, A: Tensor, near: Callable[[int, int], tuple[int, int]]) -> Tensor:
    """A x along the axis ``at``, some rows at a time; ``near`` says where these have their weights."""
    rows = A.shape[0]
    block = _BLOCK if in_pieces(x) else rows
    parts = []
    for first in range(0, rows, block):
        end = min(first + block, rows)
        low, high = near(first, end)
        part, weights = x.narrow(at, low, high - low), A[first:end, low:high]
        if at == x.dim() - 1:
            parts.append(part @ weights.t())
        else:
            parts.append((weights @ part.flatten(at + 1)).unflatten(-1, x.shape[at + 1 :]))
    return torch.cat(parts, at)


def _repeated(x: Tensor, at: int, times: int) -> Tensor:
    y = _room(x, at, times)
    if at == x.dim() - 1 and x.shape[at] > 1:
        # a broadcast copy would have an inner loop of `times` numbers
        for phase in _phases(y, at, times):
            phase.copy_(x)
    else:
        y.unflatten(at, (x.shape[at], times)).copy_(x.unsqueeze(at + 1))
    return y


def _between(x: Tensor, at: int, phases: int) -> Tensor:
    """Phase r and phase s − 1 − r are mirror images: one looks to the left, the other to the right.

    What lies beyond the border is the border's pixel, so that there the mean is that pixel itself.
    """
    y = _room(x, at, phases)
    parts = _phases(y, at, phases)
    last = x.shape[at] - 1
    for r in range(phases // 2):
        share = 0.5 - (r + 0.5) / phases
        left, right, near = parts[r], parts[phases - 1 - r], x * (1 - share)
        _put_sum(left.narrow(at, 1, last), near.narrow(at, 1, last), x.narrow(at, 0, last), share)
        _put_sum(right.narrow(at, 0, last), near.narrow(at, 0, last), x.narrow(at, 1, last), share)
        left.narrow(at, 0, 1).copy_(x.narrow(at, 0, 1))
        right.narrow(at, last, 1).copy_(x.narrow(at, last, 1))
    if phases % 2:
        parts[phases // 2].copy_(x)
    return y


def _back_from_between(g: Tensor, at: int, phases: int) -> Tensor:
    """Each sum of `_between`, backwards."""
    parts = _phases(g, at, phases)
    last = g.shape[at] // phases - 1
    totals = []
    for r in range(phases // 2):
        share = 0.5 - (r + 0.5) / phases
        left, right = parts[r], parts[phases - 1 - r]
        # in memory of its own: forward mode's zeros may not be written to
        total = left.new_empty(left.shape)
        _put_sum(total, left, right, 1.0)
        total.mul_(1 - share)
        total.narrow(at, 0, last).add_(left.narrow(at, 1, last), alpha=share)
        total.narrow(at, 1, last).add_(right.narrow(at, 0, last), alpha=share)
        # at the border there was no mean: the share that is missing
        total.narrow(at, 0, 1).add_(left.narrow(at, 0, 1), alpha=share)
        total.narrow(at, last, 1).add_(right.narrow(at, last, 1), alpha=share)
        totals.append(total)
    found = reduce(Tensor.add_, totals)
    return found.add_(parts[phases // 2]) if phases % 2 else found


def _put_sum(target: Tensor, a: Tensor, b: Tensor, share: float) -> None:
    if torch.compiler.is_compiling():
        target.copy_(torch.add(a, b, alpha=share))
    else:
        torch.add(a, b, alpha=share, out=target)


def _phases(y: Tensor, at: int, times: int) -> Sequence[Tensor]:
    """Every ``times``-th pixel, from each of the first ones on: views."""
    return y.unflatten(at, (-1, times)).unbind(at + 1)


def _room(x: Tensor, at: int, times: int) -> Tensor:
    shape = list(x.shape)
    shape[at] *= times
    return x.new_empty(shape)
