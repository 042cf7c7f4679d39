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
differentiates (`rules`). The matrix products that compute them are in `columns`, and with a third fewer of them, for
many channels and three taps, in `winograd`; channel by channel, where there is nothing for a matrix product to do, in
`depthwise`. `geometry` holds the arithmetic of stride, padding and dilation.
"""

from conceptlab.concepts.convolution.handmade.functions import conv1d, conv2d, conv3d

__all__ = ["conv1d", "conv2d", "conv3d"]
