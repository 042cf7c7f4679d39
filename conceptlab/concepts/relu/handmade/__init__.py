r"""ReLU and its kin with derivatives by hand: gates, leaks and exponentials.

Each acts on an element by itself, so its Jacobian is diagonal and the derivative is a slope, $f'(x)$; $v \cdot f'(x)$
is what both directions need. Each file derives its own.
"""

from conceptlab.concepts.relu.handmade.exponential import celu, elu, selu
from conceptlab.concepts.relu.handmade.gates import hardtanh, relu, relu6, threshold
from conceptlab.concepts.relu.handmade.leaky import leaky_relu, prelu

__all__ = [
    "celu",
    "elu",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "threshold",
]
