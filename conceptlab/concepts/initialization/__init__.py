r"""Initialization: the first weights, of a size that lets signals and gradients pass through many layers unchanged.

| function | fills ``tensor`` with |
|---|---|
| ``uniform_`` | draws from $U(a, b)$ |
| ``normal_`` | draws from $N(\text{mean}, \text{std}^2)$ |
| ``trunc_normal_`` | the same, drawn again until it lies in $[a, b]$ |
| ``constant_``, ``zeros_``, ``ones_`` | ``val``, 0, 1 |
| ``xavier_uniform_``, ``xavier_normal_`` | draws of mean 0 and variance $\text{gain}^2 \cdot 2 / (n_{in} + n_{out})$ |
| ``kaiming_uniform_``, ``kaiming_normal_`` | draws of mean 0 and variance $\text{gain}^2 / n$ |
| ``orthogonal_`` | ``gain`` times rows, or columns, of length 1 at right angles to each other |

The fans of a weight (out, in, \*kernel) count its connections: $n_{in}$ = in · kernel places lead to one output,
$n_{out}$ = out · kernel places from one input. Kaiming's $n$ is $n_{in}$ or $n_{out}$, as ``mode`` says: the one keeps
the variance of the signals, the other that of the gradients; Xavier's mean of the two is the compromise.
``calculate_gain`` makes up for what the ``nonlinearity`` takes away: $\sqrt 2$ for relu, $\sqrt{2 / (1 + a^2)}$ for
leaky_relu of slope ``a``, 5/3 for tanh, 3/4 for selu, 1 for sigmoid and for none.

An orthogonal matrix keeps the length of every signal, and of every gradient, exactly. ``orthogonal_`` draws one evenly
from all of them: the weight is a matrix $Q$ (out, in · kernel places), or its transpose where it is wider than high,

$$ A = Q R, \qquad Q^\top Q = 1, \qquad A_{ij} \sim N(0, 1) $$

with $R$ upper triangular and its diagonal positive, which makes $Q$ unique. It is computed in float32 or float64, and
equal to torch's but for rounding.

Shapes: any, and at least two axes where fans are counted, or rows and columns. All functions work in place, without a
gradient, return their ``tensor`` and draw from ``generator`` (by default the global one): on a CPU one seed gives
torch's numbers, bit for bit; but torch 2.11's own ``trunc_normal_`` draws others. A tensor on the meta device stays as
it is.

Sources: Glorot, Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010 (Xavier); He
et al., *Delving deep into rectifiers*, 2015 (Kaiming); Saxe et al., *Exact solutions to the nonlinear dynamics
of learning in deep linear neural networks*, 2013 (orthogonal); Mezzadri, *How to generate random matrices from the
classical compact groups*, 2007 (evenly).
"""

import torch.nn.init

from conceptlab.core import Concept, Function

CONCEPT = Concept(
    title="the first weights",
    home=torch.nn.init,
    functions={
        "calculate_gain": Function(),
        "uniform_": Function(),
        "normal_": Function(),
        "trunc_normal_": Function(),
        "constant_": Function(),
        "zeros_": Function(),
        "ones_": Function(),
        "xavier_uniform_": Function(),
        "xavier_normal_": Function(),
        "kaiming_uniform_": Function(),
        "kaiming_normal_": Function(),
        "orthogonal_": Function(),
    },
)
