r"""Softmax: turn any numbers into a probability distribution.

$$ \operatorname{softmax}(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}} \qquad
   \operatorname{log\_softmax}(x)_i = x_i - \log \sum_j e^{x_j} \qquad
   \operatorname{softmin}(x) = \operatorname{softmax}(-x) $$

The sums run over the axis ``dim`` of ``input``, here $x$. The results along it are positive and add up to 1 (the
logarithm's, after ``exp``); a larger number gets a larger share, and adding a constant to all changes nothing. That is
what makes it safe to compute: after subtracting the maximum no exponential can overflow. The logarithm has a function
of its own because $\log$ of a share that was rounded to 0 would be $-\infty$.

``gumbel_softmax`` draws from the distribution, by a draw that has a derivative: with $E_i$ from the exponential
distribution, $G_i = -\log E_i$, one for each of the ``logits``,

$$ y = \operatorname{softmax}((\mathtt{logits} + G) / \mathtt{tau}) $$

has its largest share at $i$ with the probability $\operatorname{softmax}(\mathtt{logits})_i$, and the smaller ``tau``
is, the nearer it comes to 1 there and 0 elsewhere. With ``hard=True`` it *is* 1 and 0, and the gradient goes straight
through to $y$, as if it had not been rounded. On a CPU the draws are torch's: one seed, one result. ``eps`` has no
effect.

Shapes: any; the result has the input's. Training and evaluation are the same. ``dtype`` converts the input first; half
precision is computed in float32 and rounded once. Under autocast on CUDA the result is float32. A slice that holds NaN
or $+\infty$, or nothing but $-\infty$, gives NaN throughout.

Source: Bridle, *Probabilistic interpretation of feedforward classification network outputs*, 1990; Goodfellow, Bengio,
Courville, *Deep Learning*, 2016, section 4.1 (overflow) and 6.2.2.3; Jang, Gu, Poole, *Categorical reparameterization
with Gumbel-softmax*, 2017.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered, message


class Softmax(Tiered, torch.nn.Softmax):
    """Shares of 1 along ``dim``.

    >>> Softmax(dim=0)(torch.tensor([0.0, 0.0]))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(Tiered, torch.nn.LogSoftmax):
    """Logarithms of the shares of 1 along ``dim``.

    >>> LogSoftmax(dim=0)(torch.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.log_softmax(input, self.dim, _stacklevel=5)


class Softmin(Tiered, torch.nn.Softmin):
    """Shares of 1 along ``dim``, the largest for the smallest number.

    >>> Softmin(dim=0)(torch.tensor([0.0, 1000.0]))
    tensor([1., 0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softmin(input, self.dim, _stacklevel=5)


class Softmax2d(Tiered, torch.nn.Softmax2d):
    """Shares of 1 among the channels, at each place of an image (C, H, W) or of a batch of them.

    Raises:
        ValueError: the input has neither three axes nor four.

    >>> Softmax2d()(torch.zeros(2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(
                message(
                    "Softmax2d",
                    expected="input to be 3D or 4D, (C, H, W) or (B, C, H, W)",
                    received=f"{input.dim()}D, shape {tuple(input.shape)}",
                    remedy="Softmax(dim=…) takes any shape.",
                )
            )
        return self.ops.softmax(input, -3)


def _without_stacklevel(function: Callable, input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    return function(input, dim, dtype=dtype)


CONCEPT = Concept(
    title="numbers into probabilities",
    home=F,
    functions={
        "softmax": Function(
            also=dict.fromkeys((torch.softmax, torch.Tensor.softmax, torch.special.softmax), _without_stacklevel),
            autocast={"cuda": "float32"},
        ),
        "log_softmax": Function(
            also=dict.fromkeys(
                (torch.log_softmax, torch.Tensor.log_softmax, torch.special.log_softmax), _without_stacklevel
            ),
            autocast={"cuda": "float32"},
        ),
        "softmin": Function(autocast={"cuda": "float32"}),
        "gumbel_softmax": Function(autocast={"cuda": "float32"}),
    },
    classes={Softmax: "softmax", LogSoftmax: "log_softmax", Softmin: "softmin", Softmax2d: "softmax"},
)
