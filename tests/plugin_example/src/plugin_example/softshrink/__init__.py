r"""Softshrink: shrink all numbers towards 0, and the small ones to 0.

$$ y = \begin{cases} x - \lambda & x > \lambda \\ 0 & |x| \le \lambda \\ x + \lambda & x < -\lambda \end{cases} $$

with $x$ the ``input`` and $\lambda \ge 0$ ``lambd``. It takes noise of up to $\lambda$ away.

Shapes: any; the result has the input's. Training and evaluation are the same. NaN in, NaN out.

Source: Donoho, *De-noising by soft-thresholding*, 1995.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class Softshrink(Tiered, torch.nn.Softshrink):
    """$x$, nearer to 0 by ``lambd``.

    >>> Softshrink(0.5)(torch.tensor([-2.0, 0.25, 1.0]))
    tensor([-1.5000,  0.0000,  0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.softshrink(input, self.lambd)


CONCEPT = Concept(
    title="soft shrinkage",
    home=F,
    functions={"softshrink": Function()},
    classes={Softshrink: "softshrink"},
)
