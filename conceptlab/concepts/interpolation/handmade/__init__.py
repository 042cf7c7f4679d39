r"""Interpolation as a weighted gather, an axis at a time, with its derivative.

Along one axis, a new pixel is a sum of a few old ones,

$$ y_o = \sum_t w_{to}\; x_{i(t, o)}, \qquad\text{a linear map:}\quad y = A x, \quad
   A_{oj} = \sum_{t:\; i(t, o) = j} w_{to} $$

with one tap $t$ of weight 1 for the nearest pixel, two of weights $1 - \lambda$ and $\lambda$ between pixels, and four
for ``bicubic``. A linear map is its own derivative forward, $\dot y = A \dot x$, and its transpose backward,

$$ \frac{\partial L}{\partial x_j} = \sum_o A_{oj}\, \frac{\partial L}{\partial y_o} = A^\top g . $$

Each $g_o$ goes to the places that $y_o$ was read from. As the places $i(t, o)$ grow with $o$, the weights lie around
the diagonal of $A$, and the product with some rows of $A^\top$ needs a narrow part of it, and of $g$, only. (A gradient
that is not finite spreads over that part.) The two maps are each other's derivative, to any order (`rules`). For
several axes $A$ is the product of one such map for each, and $A^\top$ that of their transposes in the opposite order
(`steps`).

Where the image grows evenly, $m = s n$, nothing has to be looked up: new pixel $s i + r$ has the same weights for all
$i$, and each *phase* $r$ is a sum of slices of $x$; its transpose adds slices of $g$.
"""

from conceptlab.concepts.interpolation.handmade.functions import interpolate

__all__ = ["interpolate"]
