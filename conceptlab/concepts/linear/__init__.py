r"""Linear: the neuron's weighted sum, for a whole layer at once.

$$ y = x W^\top + b, \qquad y_o = \sum_i x_i W_{oi} + b_o $$

Each output feature $o$ weighs all input features $i$ by a row of its own, ``weight[o]``, and adds its ``bias[o]``.

Shapes: ``input`` (\*, in_features), ``weight`` (out_features, in_features) or (in_features,), ``bias`` (out_features)
or (); the result is (\*, out_features), or (\*) with a one-dimensional weight.

Training and evaluation are the same. Under autocast the product runs in the lower precision. A new layer draws weight
and bias evenly from $\pm 1 / \sqrt{\text{in\_features}}$.

Source: Rosenblatt, *The perceptron*, 1958; Goodfellow, Bengio, Courville, *Deep Learning*, 2016, section 6.1.
"""

import math

import torch
import torch.nn.functional as F

from conceptlab.core import Concept, Function, Tiered


class Linear(Tiered, torch.nn.Linear):
    """The layer $y = x W^\\top + b$ with learned ``weight`` and ``bias``.

    >>> Linear(3, 2)(torch.ones(5, 3)).shape
    torch.Size([5, 2])
    """

    def reset_parameters(self) -> None:
        # the slope √5 makes Kaiming's bound 1/√in_features
        self.ops.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0
            self.ops.uniform_(self.bias, -bound, bound)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.ops.linear(input, self.weight, self.bias)


CONCEPT = Concept(
    title="a layer of weighted sums",
    home=F,
    functions={"linear": Function(autocast="lower")},
    classes={Linear: ("linear", "kaiming_uniform_", "uniform_")},
)
