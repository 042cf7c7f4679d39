r"""Sigmoid and its kin: smooth activations made of one exponential, and their cheap doubles.

| function | $f(x)$ |
|---|---|
| ``sigmoid`` | $\sigma(x) = 1 / (1 + e^{-x})$, a score as a probability |
| ``tanh`` | $(e^{2x} - 1) / (e^{2x} + 1) = 2 \sigma(2x) - 1$ |
| ``logsigmoid`` | $\log \sigma(x)$ |
| ``softplus`` | $\log(1 + e^{\beta x}) / \beta$, a smooth ReLU; $\beta$ is ``beta`` |
| ``silu`` | $x \, \sigma(x)$ |
| ``gelu`` | $x \, \Phi(x)$ with the normal distribution $\Phi(x) = (1 + \operatorname{erf}(x / \sqrt 2)) / 2$ |
| ``gelu``, ``approximate="tanh"`` | $x (1 + \tanh u) / 2$ with $u = \sqrt{2 / \pi} \, (x + 0.044715 \, x^3)$ |
| ``mish`` | $x \tanh(\log(1 + e^x))$ |
| ``glu`` | $a \, \sigma(b)$ with the two halves $a$ and $b$ of the input along ``dim`` |
| ``softsign`` | $x / (1 + \lvert x \rvert)$, tanh with long tails |
| ``hardsigmoid`` | $(x + 3) / 6$ limited to [0, 1], a sigmoid of straight lines |
| ``hardswish`` | $x$ ``hardsigmoid(x)``, the SiLU that belongs to it |

``softplus`` is $x$ itself where $\beta x >$ ``threshold``. ``inplace=True`` writes the result over the input.

Shapes: any; the result has the input's, that of ``glu`` half its size along ``dim``, which has to be even. Training
and evaluation are the same. ``sigmoid``, ``tanh`` and ``softsign`` take integers, too. Half precision is computed in
float32 and rounded once. Nothing overflows, and nothing cancels near 0. At the two kinks of ``hardsigmoid`` and
``hardswish`` the slope is that of the outer side.

Sources: LeCun et al., *Efficient BackProp*, 1998 (tanh); Dugas et al., *Incorporating second-order functional
knowledge*, 2001 (softplus); Hendrycks, Gimpel, *Gaussian error linear units*, 2016 (GELU, SiLU); Misra, *Mish*, 2019;
Dauphin et al., *Language modeling with gated convolutional networks*, 2017 (GLU); Bergstra et al., *Quadratic
polynomials learn better image features*, 2009 (softsign); Howard et al., *Searching for MobileNetV3*, 2019 (the hard
ones).
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


class Mish(Tiered, torch.nn.Mish):
    """$x$, let through as far as the tanh of its softplus.

    >>> Mish()(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.0000,  0.8651])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.mish(input, self.inplace)


class GLU(Tiered, torch.nn.GLU):
    """The first half along ``dim``, let through as far as the second one says.

    >>> GLU()(torch.tensor([1.0, 2.0, 0.0, 1000.0]))
    tensor([0.5000, 2.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.glu(input, self.dim)


class Softsign(Tiered, torch.nn.Softsign):
    """Like tanh it stays within ±1, but it nears them only as $1 / x$.

    >>> Softsign()(torch.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5000,  0.0000,  0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softsign(input)


class Hardsigmoid(Tiered, torch.nn.Hardsigmoid):
    """$(x + 3) / 6$, limited to [0, 1].

    >>> Hardsigmoid()(torch.tensor([-4.0, 0.0, 1.5, 4.0]))
    tensor([0.0000, 0.5000, 0.7500, 1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.hardsigmoid(input, self.inplace)


class Hardswish(Tiered, torch.nn.Hardswish):
    """$x$, let through as far as its own hardsigmoid is open.

    >>> Hardswish()(torch.tensor([-4.0, 1.5, 4.0]))
    tensor([-0.0000, 1.1250, 4.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.hardswish(input, self.inplace)


def _in_place(function: Callable, input: Tensor) -> Tensor:
    return input.copy_(function(input))


def _by_itself_in_place(function: Callable, input: Tensor) -> Tensor:
    # the derivative needs the input, and the function itself takes care of that
    return function(input, inplace=True)


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
        "silu": Function(also={torch._C._nn.silu: None, torch._C._nn.silu_: _by_itself_in_place}),
        "gelu": Function(),
        "logsigmoid": Function(),
        "mish": Function(also={torch._C._nn.mish: None, torch._C._nn.mish_: _by_itself_in_place}),
        "glu": Function(also={torch._C._nn.glu: None}),
        "softsign": Function(),
        "hardsigmoid": Function(also={torch._C._nn.hardsigmoid: None, torch._C._nn.hardsigmoid_: _by_itself_in_place}),
        "hardswish": Function(also={torch._C._nn.hardswish: None, torch._C._nn.hardswish_: _by_itself_in_place}),
    },
    classes={
        Sigmoid: "sigmoid",
        Tanh: "tanh",
        Softplus: "softplus",
        SiLU: "silu",
        GELU: "gelu",
        LogSigmoid: "logsigmoid",
        Mish: "mish",
        GLU: "glu",
        Softsign: "softsign",
        Hardsigmoid: "hardsigmoid",
        Hardswish: "hardswish",
    },
)
