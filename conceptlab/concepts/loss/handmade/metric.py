r"""Losses of vectors that belong together or do not, from their distances, which bring their derivatives along.

**Pairs.** torch adds $\varepsilon = 10^{-12}$ to both squared lengths:
$c = x \cdot y / \sqrt{(x \cdot x + \varepsilon)(y \cdot y + \varepsilon)}$. That is the cosine of the angle between two
longer vectors, whose last numbers meet nothing but zeros,

$$ c = \cos \angle \bigl( (x, \sqrt\varepsilon, 0),\; (y, 0, \sqrt\varepsilon) \bigr) $$

and so it comes from ``cosine_similarity``. For a pair that belongs together the loss is $1 - c$, of slope $-1$, else
$\max(0, c - m)$.

**Triplets.** $\max(0, d^+ - d^- + m)$. With ``swap`` $d^-$ is the smaller of two distances, and among equal ones the
gradient is shared.

Sums, differences, maxima and minima are torch's own. A maximum with 0 has the slope 1 where it is positive, and 0
elsewhere.
"""

import math

import torch
from torch import Tensor

from conceptlab.concepts.loss.handmade.reduction import chosen, reduced
from conceptlab.core import declare, message, require_real, wide

ops = declare("nn", "handmade")
# of 10⁻¹², as torch has it: in float32
_ROOT_OF_EPS = math.sqrt(9.999999960041972e-13)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    reduction = chosen(reduction, size_average, reduce)
    _require_pairs(input1, input2, target)
    x, y = (z if z.is_floating_point() else z.to(torch.get_default_dtype()) for z in (input1, input2))
    c = ops.cosine_similarity(_longer(x, 0), _longer(y, 1), -1, 0.0)
    losses = torch.where(target == 1, 1 - c, 0) + torch.where(target == -1, (c - margin).clamp_min(0), 0)
    return reduced(losses, reduction).to(torch.promote_types(x.dtype, y.dtype))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    reduction = chosen(reduction, size_average, reduce)

    _require_triplets(anchor, positive, negative, margin)
    a, b, c = (wide(x) for x in (anchor, positive, negative))
    near, far = ops.pairwise_distance(a, b, p, eps), ops.pairwise_distance(a, c, p, eps)
    if swap:
        far = torch.minimum(far, ops.pairwise_distance(b, c, p, eps))
    loss = reduced((margin + near - far).clamp_min(0), reduction)
    # distances of whole numbers have the default dtype
    pairs = [(anchor, positive), (anchor, negative), *([(positive, negative)] if swap else [])]
    dtypes = {torch.promote_types(x.dtype, y.dtype) for x, y in pairs}
    return loss.to(dtypes.pop()) if dtypes in ({torch.float16}, {torch.bfloat16}) else loss


def _longer(x: Tensor, place: int) -> Tensor:
    """x with two numbers more, of which one is √ε."""
    x = wide(x)
    more = x.new_zeros(2)
    more[place] = _ROOT_OF_EPS
    return torch.cat((x, more.expand(*x.shape[:-1], 2)), -1)


def _require_pairs(input1: Tensor, input2: Tensor, target: Tensor) -> None:
    where = "cosine_embedding_loss"
    require_real(where, input1)
    require_real(where, input2)
    if target.dim() > 1 or not input1.dim() == input2.dim() == target.dim() + 1:
        expected = "a 0D or 1D target tensor (multi-target not supported), and input tensors with an axis more"
        sizes = f"a {target.dim()}D target, and inputs with sizes {list(input1.shape)} and {list(input2.shape)}"
        raise RuntimeError(_wrong(where, expected, sizes))
    if input1.shape[-1] != input2.shape[-1]:
        sizes = f"{input1.shape[-1]} and {input2.shape[-1]}"
        # torch lets one number stand for all of a product, and not of a length
        error = NotImplementedError if 1 in (input1.shape[-1], input2.shape[-1]) else RuntimeError
        raise error(_wrong(where, "vectors whose size must match", sizes))


def _require_triplets(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> None:
    where = "triplet_margin_loss"
    if margin <= 0:
        raise ValueError(_wrong(where, "margin must be greater than 0", f"got {margin}"))
    if not anchor.dim() == positive.dim() == negative.dim():
        expected = "anchor, positive, and negative tensors are expected to have the same number of dimensions"
        received = f"got: anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        raise RuntimeError(_wrong(where, expected, received))


def _wrong(where: str, expected: str, received: object) -> str:
    return message(where, expected=expected, received=str(received), remedy="Change it to that.")
