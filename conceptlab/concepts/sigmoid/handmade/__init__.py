r"""Sigmoid and its kin with derivatives by hand: what squashes, what gates, the soft ReLU, and the hard ones.

All but ``glu`` act on an element by itself, so that the derivative is a slope. From $\sigma = (1 + e^{-x})^{-1}$
follows

$$ \sigma'(x) = \frac{e^{-x}}{(1 + e^{-x})^2} = \sigma (1 - \sigma), \qquad 1 - \sigma(x) = \sigma(-x) $$

and from these two all others, each in its file. In $1 / (1 + e^{-x})$ an infinite exponential is harmless, it gives 0.
But its second derivative, left to autograd, would multiply 0 and ∞: slopes take $\sigma$ from its rule.
"""

from conceptlab.concepts.sigmoid.handmade.gating import gelu, glu, mish, silu
from conceptlab.concepts.sigmoid.handmade.hard import hardsigmoid, hardswish
from conceptlab.concepts.sigmoid.handmade.soft import logsigmoid, softplus
from conceptlab.concepts.sigmoid.handmade.squashing import sigmoid, softsign, tanh

__all__ = [
    "gelu",
    "glu",
    "hardsigmoid",
    "hardswish",
    "logsigmoid",
    "mish",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
]
