r"""The three maps where the kernel has one tap and nothing is left out: matrix products of the images as they are.

With $k = 1$, stride 1 and no padding an output meets the input at its own place alone, and each image is the matrix
$X_{c,p}$ of `columns` already:

$$ Y = w X, \qquad \partial L / \partial X = w^\top G, \qquad \partial L / \partial w = \sum_n G_n X_n^\top $$

the last as a sum over the samples.
"""

from torch import Tensor

from conceptlab.concepts.convolution.handmade.geometry import Geometry
from conceptlab.core import in_pieces, wide


def fits(weight: Tensor, geometry: Geometry) -> bool:
    """Whether the images are the matrices."""
    return {weight.shape[2:].numel(), geometry.groups, *geometry.stride} == {1} and not any(geometry.padding)


def convolve(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the convolution into ``y``."""
    _product(y, wide(weight).flatten(1), x, bias)


def input_gradient(dx: Tensor, g: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> None:
    """Write the gradient by input, or the transposed convolution, into ``dx``."""
    _product(dx, wide(weight).flatten(1).t(), g, bias)


def weight_gradient(dw: Tensor, g: Tensor, x: Tensor, geometry: Geometry) -> None:
    """Write the gradient by weight into ``dw``."""
    of_results, images = wide(g).flatten(2), wide(x).flatten(2)
    if in_pieces(g):
        total = images.new_zeros(dw.shape[:2])
        for of_result, image in zip(of_results, images, strict=True):
            total.addmm_(of_result, image.t())
    else:
        total = of_results.transpose(0, 1).flatten(1) @ images.transpose(0, 1).flatten(1).t()
    dw.copy_(total.view(dw.shape))


def _product(target: Tensor, rows: Tensor, images: Tensor, bias: Tensor | None) -> None:
    matrices = wide(images).flatten(2)
    # contiguous or channels-last, and so a view
    product = target.flatten(2) if target.dtype == rows.dtype else target.flatten(2).to(rows.dtype)
    if bias is not None:
        product.copy_(wide(bias).unsqueeze(1))
    product.baddbmm_(rows.expand(len(matrices), *rows.shape), matrices, beta=0 if bias is None else 1)
    if product.dtype != target.dtype:
        target.copy_(product.view(target.shape))
