"""The steps of one layer in one direction: which rows each has, and what goes over from one to the next.

A sequence is a matrix: the rows of its first step, those of its second, and so on. Of a batch of one length every step
has B rows; of packed sequences, the longest first, a step has as many as there are sequences of its length or more.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import is_recorded

Weights = Sequence[Tensor | None]
"""w_ih, w_hh, b_ih, b_hh, and of a projection w_hr."""


class Carried:
    """What goes over from step to step: fitted to the rows of each, and gathered where a sequence has ended.

    Forward in time rows come to an end, backward in time rows join in, which begin with the ``initial`` ones. The
    gradients go the other way, so that they are carried in the same manner, from those of the last state on.

    >>> carried = Carried(torch.zeros(3, 1))
    >>> one = carried.fit(carried.none, 3) + 1
    >>> two = carried.fit(one, 2) + 1
    >>> carried.end(two).flatten()
    tensor([2., 2., 1.])
    """

    def __init__(self, initial: Tensor) -> None:
        self.initial = initial
        self.none = initial[:0]
        self.ended: list[Tensor] = []

    def fit(self, state: Tensor, rows: int) -> Tensor:
        """The state in a step of so many rows, of which ``state`` is that of the step before: ``none`` of the first."""
        if rows > len(state):
            return torch.cat((state, self.initial[len(state) : rows]))
        self.ended.append(state[rows:])
        return state[:rows]

    def end(self, state: Tensor) -> Tensor:
        """The last state of every row."""
        return torch.cat((state, *reversed(self.ended)))


class Rows:
    """One result for each step, side by side in ``memory``; of their own, and joined, where something is recorded.

    ``room[t]`` is where step t may write its result, None where it may not; ``steps[t]`` is the result.
    """

    def __init__(self, memory: Tensor, sizes: Sequence[int]) -> None:
        self.memory = None if is_recorded() else memory
        self.room = [None] * len(sizes) if self.memory is None else memory.split(sizes)
        self.steps: list[Any] = list(self.room)

    def put(self, t: int, result: Tensor) -> None:
        """Keep the result of step t, which lies elsewhere."""
        if self.memory is None:
            self.steps[t] = result
        else:
            self.steps[t].copy_(result)

    def whole(self) -> Tensor:
        """All rows."""
        return torch.cat(self.steps) if self.memory is None else self.memory


def walk(sizes: Sequence[int], reverse: bool) -> list[tuple[int, bool]]:
    """The steps in the order in which the layer takes them, each with whether it begins with other rows than the last.

    >>> walk((3, 2, 2), reverse=False), walk((3, 2, 2), reverse=True)
    ([(0, True), (1, True), (2, False)], [(2, True), (1, False), (0, True)])
    """
    steps = range(len(sizes))[::-1] if reverse else range(len(sizes))
    last = [None, *(sizes[t] for t in steps)]
    return [(t, sizes[t] != before_it) for t, before_it in zip(steps, last[:-1], strict=True)]


def for_steps(weight: Tensor, sizes: Sequence[int]) -> Tensor:
    """The transposed weight; for more steps than one as a copy, laid out as the product wants it."""
    return weight.t().contiguous() if len(sizes) > 1 else weight.t()


def before(states: Tensor, initial: Tensor, sizes: Sequence[int], reverse: bool) -> Tensor:
    """For each row of each step, the state of the step before it, in the layer's order."""
    rows = sizes[0]
    if rows == sizes[-1]:
        others = (states[rows:], initial) if reverse else (initial, states[:-rows])
        return torch.cat(others)
    carried, steps = Carried(initial), states.split(list(sizes))
    found, state = list(steps), carried.none
    for t, changed in walk(sizes, reverse):
        found[t] = carried.fit(state, sizes[t]) if changed else state
        state = steps[t]
    return torch.cat(found)


def columns(x: Tensor, count: int) -> tuple[Tensor, ...]:
    """The columns in so many equal parts, one for each gate."""
    return x.unflatten(1, (count, x.shape[1] // count)).unbind(1)


def or_zeros(x: Tensor | None, like: Tensor) -> Tensor:
    """A gradient or tangent; zeros, where there is none."""
    return torch.zeros_like(like) if x is None else x


def of_sigmoid(s: Tensor) -> Tensor:
    """The slope of the sigmoid whose value is s: s (1 - s)."""
    return torch.addcmul(s, s, s, value=-1)


def products(x: Tensor, weight: Tensor, *biases: Tensor | None) -> Tensor:
    """$W x_t$ and the biases, for all steps at once."""
    given = [bias for bias in biases if bias is not None]
    return torch.addmm(sum(given[1:], start=given[0]), x, weight.t()) if given else x @ weight.t()


def tangents_of_products(
    x: Tensor, weight: Tensor, x_t: Tensor | None, weight_t: Tensor | None, *biases_t: Tensor | None
) -> Tensor:
    """The product rule."""
    found = x.new_zeros(len(x), len(weight)) if x_t is None else x_t @ weight.t()
    if weight_t is not None:
        found = found + x @ weight_t.t()
    for bias_t in biases_t:
        found = found if bias_t is None else found + bias_t
    return found
