r"""Padding: a tensor given a border, by one rule or another.

Along one axis of size $W$, with $l$ places before and $r$ behind, place $j$ of the result, $0 \le j < l + W + r$, is

$$ y_j = x_{s(j - l)} \quad\text{where, for $i$ outside of $0 \dots W-1$,} $$

| ``mode`` | $s(i)$ | picture of a, b, c with 2 on each side |
|---|---|---|
| ``constant`` | no source: ``value`` | v v a b c v v |
| ``reflect`` | $-i$, or $2(W - 1) - i$: mirrored at the edge, which is not repeated | c b a b c b a |
| ``replicate`` | $0$, or $W - 1$: the edge again | a a a b c c c |
| ``circular`` | $i \bmod W$: the other end | b c a b c a b |

``pad`` lists $l, r$ of the last axis, then of the one before it, and so on; a negative entry cuts off instead.

Shapes: ``constant`` takes any number of axes; the others pad the last 1, 2 or 3 axes of a tensor with one axis
(channels) or two (batch, channels) before them. Training and evaluation are the same. Only copies: every precision is
exact, and only the gradient of a value that was copied several times is rounded, once for each addition. Under autocast
on a CPU, reflection and replication return float32, as torch has it.

Source: Liu et al., *Partial convolution based padding*, 2018, section 2, compares the rules.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class _ConstantPad(Tiered):
    def forward(self, input: Tensor) -> Tensor:
        return self.ops.pad(input, self.padding, "constant", self.value)


class ConstantPad1d(_ConstantPad, torch.nn.ConstantPad1d):
    """The last axis, with ``value`` around.

    >>> ConstantPad1d(2, 7.0)(torch.ones(1, 3))
    tensor([[7., 7., 1., 1., 1., 7., 7.]])
    """


class ConstantPad2d(_ConstantPad, torch.nn.ConstantPad2d):
    """The last two axes, with ``value`` around."""


class ConstantPad3d(_ConstantPad, torch.nn.ConstantPad3d):
    """The last three axes, with ``value`` around."""


class ZeroPad1d(_ConstantPad, torch.nn.ZeroPad1d):
    """The last axis, with zeros around.

    >>> ZeroPad1d((1, 2))(torch.ones(1, 3))
    tensor([[0., 1., 1., 1., 0., 0.]])
    """


class ZeroPad2d(_ConstantPad, torch.nn.ZeroPad2d):
    """The last two axes, with zeros around."""


class ZeroPad3d(_ConstantPad, torch.nn.ZeroPad3d):
    """The last three axes, with zeros around."""


class _ReflectionPad(Tiered):
    def forward(self, input: Tensor) -> Tensor:
        return self.ops.pad(input, self.padding, "reflect")


class ReflectionPad1d(_ReflectionPad, torch.nn.ReflectionPad1d):
    """The last axis, mirrored at its ends.

    >>> ReflectionPad1d(2)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """


class ReflectionPad2d(_ReflectionPad, torch.nn.ReflectionPad2d):
    """The last two axes, mirrored at their ends."""


class ReflectionPad3d(_ReflectionPad, torch.nn.ReflectionPad3d):
    """The last three axes, mirrored at their ends."""


class _ReplicationPad(Tiered):
    def forward(self, input: Tensor) -> Tensor:
        return self.ops.pad(input, self.padding, "replicate")


class ReplicationPad1d(_ReplicationPad, torch.nn.ReplicationPad1d):
    """The last axis, its ends repeated.

    >>> ReplicationPad1d(2)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 1., 1., 2., 3., 3., 3.]])
    """


class ReplicationPad2d(_ReplicationPad, torch.nn.ReplicationPad2d):
    """The last two axes, their ends repeated."""


class ReplicationPad3d(_ReplicationPad, torch.nn.ReplicationPad3d):
    """The last three axes, their ends repeated."""


class _CircularPad(Tiered):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return self.ops.pad(input, self.padding, "circular")


class CircularPad1d(_CircularPad, torch.nn.CircularPad1d):
    """The last axis, as if it were a ring.

    >>> CircularPad1d(2)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[2., 3., 1., 2., 3., 1., 2.]])
    """


class CircularPad2d(_CircularPad, torch.nn.CircularPad2d):
    """The last two axes, as if they were rings."""


class CircularPad3d(_CircularPad, torch.nn.CircularPad3d):
    """The last three axes, as if they were rings."""


def _constant(pad: Callable, input: Tensor, padding: Sequence[int], value: float = 0) -> Tensor:
    return pad(input, padding, "constant", value)


def _reflect(pad: Callable, input: Tensor, padding: Sequence[int]) -> Tensor:
    return pad(input, padding, "reflect")


def _replicate(pad: Callable, input: Tensor, padding: Sequence[int]) -> Tensor:
    return pad(input, padding, "replicate")


def _circular(pad: Callable, input: Tensor, padding: Sequence[int]) -> Tensor:
    return pad(input, padding, "circular")


def _autocast(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    # torch's list of functions that run in float32 on a CPU has no reflection_pad3d
    return {"cpu": "float32"} if mode == "replicate" or (mode == "reflect" and len(pad) < 6) else None


_nn: Any = torch._C._nn

CONCEPT = Concept(
    title="padding",
    home=F,
    functions={
        "pad": Function(
            also={
                _nn.pad: None,
                torch.constant_pad_nd: _constant,
                **dict.fromkeys([_nn.reflection_pad1d, _nn.reflection_pad2d, _nn.reflection_pad3d], _reflect),
                **dict.fromkeys([_nn.replication_pad1d, _nn.replication_pad2d, _nn.replication_pad3d], _replicate),
                _nn._pad_circular: _circular,
            },
            autocast=_autocast,
        ),
    },
    classes=dict.fromkeys(
        [
            *(ConstantPad1d, ConstantPad2d, ConstantPad3d, ZeroPad1d, ZeroPad2d, ZeroPad3d),
            *(ReflectionPad1d, ReflectionPad2d, ReflectionPad3d),
            *(ReplicationPad1d, ReplicationPad2d, ReplicationPad3d),
            *(CircularPad1d, CircularPad2d, CircularPad3d),
        ],
        "pad",
    ),
)
