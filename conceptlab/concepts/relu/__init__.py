r"""ReLU and its kin: activations that are defined in pieces, most of them straight.

| function | $f(x)$ |
|---|---|
| ``relu`` | $\max(0, x)$ |
| ``relu6`` | $\min(\max(0, x), 6)$ |
| ``hardtanh`` | $x$ limited to [``min_val``, ``max_val``] |
| ``threshold`` | $x$ if $x >$ ``threshold``, else ``value`` |
| ``leaky_relu`` | $x$ if $x > 0$, else ``negative_slope`` $\cdot x$ |
| ``prelu`` | the same with a learned slope, ``weight``, one for all or one a channel |
| ``elu`` | $x$ if $x > 0$, else ``alpha`` $(e^x - 1)$ |
| ``selu`` | $\lambda$ ``elu(x, alpha=`` $\alpha$ ``)`` with the two constants that keep mean 0 and variance 1 |
| ``celu`` | $x$ if $x > 0$, else ``alpha`` $(e^{x / \mathtt{alpha}} - 1)$, whose slope has no jump at 0 |

Shapes: any; the result has the input's. Training and evaluation are the same. NaN in, NaN out. At a kink the slope is
that of the left side, as torch has it (0 for ``relu`` at 0; 0 at both ends of ``hardtanh``). ``celu`` takes its
``alpha`` as it is; torch's derivative rounds it to float32.

Sources: Nair, Hinton, *Rectified linear units*, 2010; Maas et al., *Rectifier nonlinearities*, 2013 (leaky); He et
al., *Delving deep into rectifiers*, 2015 (PReLU); Clevert et al., *ELUs*, 2016; Klambauer et al., *Self-normalizing
neural networks*, 2017 (SELU); Barron, *Continuously differentiable exponential linear units*, 2017 (CELU).
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class ReLU(Tiered, torch.nn.ReLU):
    """$\\max(0, x)$.

    >>> ReLU()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.relu(input, self.inplace)


class ReLU6(Tiered, torch.nn.ReLU6):
    """$\\min(\\max(0, x), 6)$.

    >>> ReLU6()(torch.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.relu6(input, self.inplace)


class Hardtanh(Tiered, torch.nn.Hardtanh):
    """$x$, limited to [``min_val``, ``max_val``].

    >>> Hardtanh()(torch.tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.hardtanh(input, self.min_val, self.max_val, self.inplace)


class Threshold(Tiered, torch.nn.Threshold):
    """$x$ above ``threshold``, else ``value``.

    >>> Threshold(0.1, 20.0)(torch.tensor([0.0, 0.5]))
    tensor([20.0000,  0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.threshold(input, self.threshold, self.value, self.inplace)


class LeakyReLU(Tiered, torch.nn.LeakyReLU):
    """$x$, or ``negative_slope`` $\\cdot x$ where it is negative.

    >>> LeakyReLU(0.5)(torch.tensor([-1.0, 2.0]))
    tensor([-0.5000,  2.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.leaky_relu(input, self.negative_slope, self.inplace)


class PReLU(Tiered, torch.nn.PReLU):
    """Leaky ReLU with a learned slope, ``weight``.

    >>> PReLU(init=0.5)(torch.tensor([-1.0, 2.0])).detach()
    tensor([-0.5000,  2.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.prelu(input, self.weight)


class ELU(Tiered, torch.nn.ELU):
    """$x$, or ``alpha`` $(e^x - 1)$ where it is negative.

    >>> ELU()(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.elu(input, self.alpha, self.inplace)


class SELU(Tiered, torch.nn.SELU):
    """ELU with the scale and ``alpha`` that keep mean 0 and variance 1 from layer to layer.

    >>> SELU()(torch.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.selu(input, self.inplace)


class CELU(Tiered, torch.nn.CELU):
    """$x$, or ``alpha`` $(e^{x / \\mathtt{alpha}} - 1)$ where it is negative.

    >>> CELU(0.5)(torch.tensor([-1.0, 2.0]))
    tensor([-0.4323,  2.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.celu(input, self.alpha, self.inplace)


def _in_place(function: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return function(input, *args, **kwargs, inplace=True)


CONCEPT = Concept(
    title="ReLU and its kin",
    home=F,
    functions={
        "relu": Function(
            also={
                torch.relu: None,
                torch.Tensor.relu: None,
                torch.relu_: _in_place,
                torch.Tensor.relu_: _in_place,
            }
        ),
        "relu6": Function(),
        "hardtanh": Function(also={F.hardtanh_: _in_place}),
        "threshold": Function(also={torch.threshold: None, torch.threshold_: _in_place}),
        "leaky_relu": Function(also={F.leaky_relu_: _in_place}),
        "prelu": Function(also={torch.prelu: None, torch.Tensor.prelu: None}, autocast="lower"),
        "elu": Function(also={F.elu_: _in_place}),
        "selu": Function(also={torch.selu: None, torch.selu_: _in_place}),
        "celu": Function(also={torch.celu: None, F.celu_: _in_place}),
    },
    classes={
        ReLU: "relu",
        ReLU6: "relu6",
        Hardtanh: "hardtanh",
        Threshold: "threshold",
        LeakyReLU: "leaky_relu",
        PReLU: "prelu",
        ELU: "elu",
        SELU: "selu",
        CELU: "celu",
    },
)
