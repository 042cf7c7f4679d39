r"""Sigmoid and its kin: smooth activations made of one exponential.

| function | $f(x)$ |
|---|---|
| ``sigmoid`` | $\sigma(x) = 1 / (1 + e^{-x})$, a score as a probability |
| ``tanh`` | $(e^{2x} - 1) / (e^{2x} + 1) = 2 \sigma(2x) - 1$ |
| ``logsigmoid`` | $\log \sigma(x)$ |
| ``softplus`` | $\log(1 + e^{\beta x}) / \beta$, a smooth ReLU; $\beta$ is ``beta`` |
| ``silu`` | $x \, \sigma(x)$ |
| ``gelu`` | $x \, \Phi(x)$ with the normal distribution $\Phi(x) = (1 + \operatorname{erf}(x / \sqrt 2)) / 2$ |
| ``gelu``, ``approximate="tanh"`` | $x (1 + \tanh u) / 2$ with $u = \sqrt{2 / \pi} \, (x + 0.044715 \, x^3)$ |

``softplus`` is $x$ itself where $\beta x >$ ``threshold``.

Shapes: any; the result has the input's. Training and evaluation are the same. ``sigmoid`` and ``tanh`` take integers,
too. Half precision is computed in float32 and rounded once. Nothing overflows, and nothing cancels near 0.

Sources: LeCun et al., *Efficient BackProp*, 1998 (tanh); Dugas et al., *Incorporating second-order functional
knowledge*, 2001 (softplus); Hendrycks, Gimpel, *Gaussian error linear units*, 2016 (GELU, SiLU).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class Sigmoid(Tiered, torch.nn.Sigmoid):
    """A score as a probability, $1 / (1 + e^{-x})$.

    >>> Sigmoid()(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.sigmoid(input)


class Tanh(Tiered, torch.nn.Tanh):
    """The sigmoid's shape, from −1 to 1.

    >>> Tanh()(torch.tensor([-1000.0, 0.0, 0.5]))
    tensor([-1.0000,  0.0000,  0.4621])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.tanh(input)


class LogSigmoid(Tiered, torch.nn.LogSigmoid):
    """The sigmoid's logarithm, exact where the sigmoid itself is 0.

    >>> LogSigmoid()(torch.tensor([-1000.0, 0.0]))
    tensor([-1.0000e+03, -6.9315e-01])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.logsigmoid(input)


class Softplus(Tiered, torch.nn.Softplus):
    """A ReLU without the kink.

    >>> Softplus()(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000e+00, 6.9315e-01, 1.0000e+03])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softplus(input, self.beta, self.threshold)


class SiLU(Tiered, torch.nn.SiLU):
    """$x$, let through as far as its own sigmoid is open.

    >>> SiLU()(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.0000,  0.7311])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.silu(input, self.inplace)


class GELU(Tiered, torch.nn.GELU):
    """$x$, times the probability that a normal variable is smaller.

    >>> GELU()(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.gelu(input, approximate=self.approximate)


def _in_place(function: Callable, input: Tensor) -> Tensor:
    return input.copy_(function(input))


def _silu_in_place(silu: Callable, input: Tensor) -> Tensor:
    # silu's derivative needs the input, and the function itself takes care of that
    return silu(input, inplace=True)


CONCEPT = Concept(
    title="sigmoid and its kin",
    home=F,
    functions={
        "sigmoid": Function(
            also={
                torch.sigmoid: None,
                torch.Tensor.sigmoid: None,
                torch.special.expit: None,
                torch.sigmoid_: _in_place,
                torch.Tensor.sigmoid_: _in_place,
            }
        ),
        "tanh": Function(
            also={
                torch.tanh: None,
                torch.Tensor.tanh: None,
                torch.tanh_: _in_place,
                torch.Tensor.tanh_: _in_place,
            }
        ),
        "softplus": Function(autocast={"cuda": "float32"}),
        "silu": Function(also={torch._C._nn.silu: None, torch._C._nn.silu_: _silu_in_place}),
        "gelu": Function(),
        "logsigmoid": Function(),
    },
    classes={
        Sigmoid: "sigmoid",
        Tanh: "tanh",
        Softplus: "softplus",
        SiLU: "silu",
        GELU: "gelu",
        LogSigmoid: "logsigmoid",
    },
)
