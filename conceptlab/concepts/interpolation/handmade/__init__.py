r"""Interpolation as a weighted gather, an axis at a time, with its derivative.

Along one axis, a new pixel is a sum of a few old ones,

$$ y_o = \sum_t w_{to}\; x_{i(t, o)}, \qquad\text{a linear map:}\quad y = A x, \quad
   A_{oj} = \sum_{t:\; i(t, o) = j} w_{to} $$

with one tap $t$ of weight 1 for the nearest pixel, two of weights $1 - \lambda$ and $\lambda$ between pixels, and four
for ``bicubic``. With ``antialias`` it is all pixels within the reach $r$ of a kernel $k$ that is stretched by
$\sigma = \max(s, 1)$,

$$ A_{oj} = \frac{k_{oj}}{\sum_l k_{ol}}, \qquad
   k_{oj} = k\!\left(\frac{\lvert j + \frac12 - c_o \rvert}{\sigma}\right), \quad c_o = s\,(o + \tfrac12), $$

which is 0 but for $\lvert j + \frac12 - c_o \rvert < r \sigma$: a band of some $2 r \sigma$ weights a row. They depend
on the sizes alone, not on the image, so that this is a linear map, too, the division included.

A linear map is its own derivative forward, $\dot y = A \dot x$, and its transpose backward,

$$ \frac{\partial L}{\partial x_j} = \sum_o A_{oj}\, \frac{\partial L}{\partial y_o} = A^\top g . $$

Each $g_o$ goes to the places that $y_o$ was read from. As these places grow with $o$, the weights lie around the
diagonal of $A$: the $o$ that read $x_j$ have $\lvert j + \frac12 - c_o \rvert < r \sigma$, the band of $A^\top$. So the
product with some rows of $A$ or of $A^\top$ needs a narrow part of it, and of $x$ or $g$, only. (A number that is not
finite spreads over that part.) The two maps are each other's derivative, to any order (`rules`). For several axes $A$
is the product of one such map for each, and $A^\top$ that of their transposes in the opposite order (`steps`).

Where the image grows evenly, $m = s n$, nothing has to be looked up: new pixel $s i + r$ has the same weights for all
$i$, and each *phase* $r$ is a sum of slices of $x$; its transpose adds slices of $g$.

Bytes have no derivative; their sums are in whole numbers (`levels`).
"""

from conceptlab.concepts.interpolation.handmade.functions import interpolate

__all__ = ["interpolate"]
