r"""Softmax: scores become shares that are positive and add up to 1.

$$ p_i = \frac{e^{x_i}}{\sum_j e^{x_j}}, \qquad \log p_i = x_i - \log \sum_j e^{x_j} $$

The sums run along the axis ``dim``. ``softmin`` is the softmax of $-x$; ``Softmax2d`` that over the channels of images.
Only differences of scores matter: adding a constant to all $x_i$ changes nothing. So the largest score can be
subtracted first, and no exponential overflows.

Shapes: any; the result has the input's. Training and evaluation are the same. ``dim=None`` is torch's old guess: axis 0
of a tensor with 0, 1 or 3 axes, else axis 1, with a warning. With ``dtype`` the input is converted first. Half
precision is computed in float32 and rounded once. A row with NaN or $+\infty$, or of $-\infty$ alone, becomes NaN.

Source: Bridle, *Probabilistic interpretation of feedforward classification network outputs*, 1990.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered

# As torch counts them: from the warning's helper up through the two frames of Module.__call__, to who called that.
_STACKLEVEL = 5


class Softmax(Tiered, torch.nn.Softmax):
    """Shares that add up to 1 along ``dim``.

    >>> Softmax(dim=0)(torch.tensor([0.0, 0.0]))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softmax(input, self.dim, _stacklevel=_STACKLEVEL)


class LogSoftmax(Tiered, torch.nn.LogSoftmax):
    """The logarithms of the shares, exact where a share is too small for a number.

    >>> LogSoftmax(dim=0)(torch.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.log_softmax(input, self.dim, _stacklevel=_STACKLEVEL)


class Softmin(Tiered, torch.nn.Softmin):
    """The softmax of the negated scores: the smallest gets the largest share.

    >>> Softmin(dim=0)(torch.tensor([0.0, 100.0]))
    tensor([1.0000e+00, 3.7835e-44])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softmin(input, self.dim, _stacklevel=_STACKLEVEL)


class Softmax2d(Tiered, torch.nn.Softmax2d):
    """Shares of the channels, at each place of an image, (B, C, H, W) or (C, H, W).

    >>> Softmax2d()(torch.zeros(1, 4, 1, 1)).flatten()
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, received {input.dim()}D. Add or drop axes.")
        return self.ops.softmax(input, -3, _stacklevel=_STACKLEVEL)


def _with_dim(function: Callable, input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return function(input, dim, dtype=dtype)


CONCEPT = Concept(
    title="softmax: scores become shares",
    home=F,
    functions={
        "softmax": Function(
            also=dict.fromkeys((torch.softmax, torch.Tensor.softmax, torch.special.softmax), _with_dim),
            autocast={"cuda": "float32"},
        ),
        "log_softmax": Function(
            also=dict.fromkeys((torch.log_softmax, torch.Tensor.log_softmax, torch.special.log_softmax), _with_dim),
            autocast={"cuda": "float32"},
        ),
        "softmin": Function(autocast={"cuda": "float32"}),
    },
    classes={Softmax: "softmax", LogSoftmax: "log_softmax", Softmin: "softmin", Softmax2d: "softmax"},
)
