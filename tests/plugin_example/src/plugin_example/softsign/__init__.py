r"""Softsign: a squashing function with long tails.

$$ y = \frac{x}{1 + |x|} $$

with $x$ the ``input``. Like tanh it is odd and keeps within $\pm 1$, but comes near them as $1 / |x|$ only.

Shapes: any; the result has the input's. Training and evaluation are the same.

Source: Bergstra et al., *Quadratic polynomials learn better image features*, 2009.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class Softsign(Tiered, torch.nn.Softsign):
    """$x / (1 + |x|)$.

    >>> Softsign()(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softsign(input)


CONCEPT = Concept(title="softsign", home=F, functions={"softsign": Function()}, classes={Softsign: "softsign"})
