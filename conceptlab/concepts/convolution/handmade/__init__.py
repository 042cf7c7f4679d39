r"""Convolution, by matrix products, with its derivative.

Written out for one sample, with the padded input $x$ and without bias,

$$ y_{o,p} = \sum_{c,k} w_{o,c,k}\; x_{c,\,sp + dk} $$

is linear in $x$ and linear in $w$. With the gradient $g = \partial L / \partial y$ that arrives, the chain rule adds
over all the sums in which an element takes part:

$$ \frac{\partial L}{\partial w_{o,c,k}} = \sum_{p} g_{o,p}\; x_{c,\,sp + dk}, \qquad
   \frac{\partial L}{\partial x_{c,i}} = \sum_{o} \; \sum_{p,k:\; sp + dk = i} w_{o,c,k}\; g_{o,p}, \qquad
   \frac{\partial L}{\partial \beta_o} = \sum_p g_{o,p} $$

(summed over the samples, too, for $w$ and $\beta$). Call the three maps

    Y(x, w)  the convolution        X(g, w)  the gradient by input        W(g, x)  the gradient by weight

They are the three ways to contract the trilinear form $T(g, x, w) = \sum g_{o,p}\, w_{o,c,k}\, x_{c,sp+dk}$ with two of
its arguments, so the derivatives of each are the other two, and no fourth formula ever appears, however often one
differentiates (`rules`).

The *transposed* convolution is that of which $Y$ is the gradient by input: $X$ with a bias. For one sample, with $x$
and $c$ for what arrives and for its channels,

$$ y_{o,i} = \beta_o + \sum_c \; \sum_{p,k:\; sp + dk = i} w_{c,o,k}\; x_{c,p} = X(x, w) + \beta, $$

so its gradients need no derivation of their own: by input $Y(g, w)$, by weight $W(x, g)$, in which input and upstream
gradient have exchanged their roles, and by bias the sum of $g$ once more.

The matrix products that compute them are in `columns`; in `pointwise` where there is one tap, and the images are the
matrices; and channel by channel, where there is nothing for a matrix product to do, in `depthwise`. `geometry` holds
the arithmetic of stride, padding and dilation.
"""

from conceptlab.concepts.convolution.handmade.functions import conv1d, conv2d, conv3d
from conceptlab.concepts.convolution.handmade.transposed import conv_transpose1d, conv_transpose2d, conv_transpose3d

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
