"""How far two tensors are apart, and how far they may be."""

from math import inf, isfinite

import torch
from torch import Tensor

from conceptlab.verify.closeness import BOUND, NOISE, ErrorRatio, Mismatch, check_same

FEW = 16
"""With fewer elements, one of two equally exact results is easily far more exact than the other, by chance. The error
ratio then allows them so many roundings, and else one."""

COARSE = 64
"""How many of its roundings a module may differ by that goes on in a coarser dtype than it is given."""

Judged = tuple[float, float, bool, str]
"""The difference, its bound, whether they agree, and what else there is to say."""


def largest(tensor: Tensor) -> float:
    """The largest finite magnitude of a floating or complex tensor, else 0."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return 0.0
    tensor = tensor.detach()
    if not tensor.numel():
        return 0.0
    size = torch.linalg.vector_norm(tensor, inf).item()
    # a mask takes far longer than the maximum, and few tensors need one
    return size if isfinite(size) else largest(tensor[tensor.isfinite()])


def apart(b: Tensor, a: Tensor) -> float:
    """The largest difference, as a share of the largest magnitude of ``a``; infinite where there is nothing to divide.

    >>> apart(torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]))
    0.25
    """
    b, a = b.detach().to(a.device), a.detach()
    if a.shape != b.shape:
        return inf
    if not (a.is_floating_point() or a.is_complex()):
        return 0.0 if torch.equal(a, b) else inf
    difference, size = largest(b - a), largest(a)
    return difference / size if size else inf if difference else 0.0


def close(b: Tensor, a: Tensor, size: float, roundoff: float = 0.0) -> Judged:
    """Compare in float64; ``size`` is the magnitude of what both were computed from.

    With ``roundoff``, that of a coarser dtype in which they were computed.
    """
    bound, noise = max(BOUND, COARSE * roundoff), max(NOISE, COARSE * roundoff) * size
    magnitude, detail = largest(a), ""
    try:
        if a.dtype != b.dtype or not torch.equal(a, b):
            check_same(b.detach(), a.detach(), "", bound=bound, noise=noise, strides=False)
    except Mismatch as mismatch:
        detail = str(mismatch).removeprefix(": ")
    allowed = bound + (noise / magnitude if magnitude else 0.0)
    difference = apart(b, a)
    if not detail or allowed < difference < inf:
        return difference, allowed, not detail, ""
    # no size tells it: another dtype or shape, infinities, whole numbers
    return inf, allowed, False, detail


def close_to_exact(b: Tensor, a: Tensor, exact: Tensor, size: float) -> Judged:
    """Compare by the error ratio: how far ``b`` is from the exact result, and how far ``a``.

    With the errors relative to the exact tensor's root mean square, ``b`` agrees if its own is at most
    ``4 · that of a + eps``. Where sums cancel to less than the rounding of their terms, of magnitude ``size``, that is
    allowed as well.
    """
    if not a.is_floating_point() or a.dtype != b.dtype or a.shape != b.shape:
        return close(b, a, size)
    ratio = ErrorRatio()
    try:
        ratio.add([b], [a], [exact])
    except Mismatch as mismatch:
        return inf, 0.0, False, str(mismatch)
    if not ratio.elements:
        return 0.0, 0.0, True, ""
    ours, theirs = ((errors[0] / ratio.elements[0]) ** 0.5 for errors in (ratio.ours, ratio.theirs))
    eps = torch.finfo(a.dtype).eps
    usable = exact[exact.isfinite()].double()
    scale = max(usable.square().mean().sqrt().item(), torch.finfo(torch.float32).tiny)
    few, noise = ratio.elements[0] < FEW, eps * size / scale
    bound = 4 * theirs + eps * (FEW if few else 1) + (noise if few or noise > 0.5 else 0.0)
    return ours, bound, ours <= bound, BLIND if theirs > eps**0.5 else ""


BLIND = "a itself is far from float64 there"
