"""When two results count as the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

BOUND = 1e-9
"""In float64: the largest difference, as a share of the largest magnitude in the tensor."""

LARGE = 1e12
"""Beside numbers of this size the bound would allow the others anything, and they are compared by themselves, too."""

NOISE = 1e-14
"""In float64, for an upstream gradient of size 1: what rounding leaves of a gradient whose terms cancel, as those of
every norm do for a constant upstream gradient. Such a gradient has no digit that could be compared."""


class Mismatch(AssertionError):  # noqa: N818  (what went wrong, as in NotImplemented)
    """Two implementations that should agree do not."""


def check_same(
    ours: Any, theirs: Any, where: str, *, bound: float = BOUND, noise: float = 0.0, strides: bool = True
) -> None:
    """Check nested results: structure, dtype, shape, memory layout, and values within ``bound``, or within ``noise``.

    Raises:
        Mismatch: they differ; the message says where and by how much.
    """
    ours_flat, ours_tree = tree_flatten(ours)
    theirs_flat, theirs_tree = tree_flatten(theirs)
    if len(ours_flat) != len(theirs_flat):
        raise Mismatch(f"{where}: expected the structure {theirs_tree}, received {ours_tree}")
    for index, (a, b) in enumerate(zip(ours_flat, theirs_flat, strict=True)):
        place = f"{where}[{index}]" if len(theirs_flat) > 1 else where
        if isinstance(b, Tensor) and isinstance(a, Tensor):
            _check_tensor(a, b, place, bound, noise, strides)
        elif a != b and not (a != a and b != b):
            raise Mismatch(f"{place}: expected {b!r}, received {a!r}")


def _check_tensor(a: Tensor, b: Tensor, where: str, bound: float, noise: float, strides: bool) -> None:
    for what in ("dtype", "shape", "device", "layout"):
        x, y = getattr(a, what), getattr(b, what)
        if x != y:
            raise Mismatch(f"{where}: expected {what} {y}, received {x}")
    if b.layout != torch.strided:
        a, b = a.to_dense(), b.to_dense()
    if strides and _layout(a) != _layout(b):
        raise Mismatch(f"{where}: expected strides {b.stride()}, received {a.stride()} (shape {tuple(b.shape)})")
    if a.requires_grad != b.requires_grad:
        raise Mismatch(f"{where}: expected requires_grad={b.requires_grad}, received {a.requires_grad}")
    a, b = a.detach().resolve_conj(), b.detach().resolve_conj()
    if not (b.is_floating_point() or b.is_complex()):
        if not torch.equal(a, b):
            raise Mismatch(f"{where}: expected {_short(b)}, received {_short(a)}")
        return
    if torch.equal(a, b):  # as they often are; one pass, where what follows takes several
        return
    if not (math.isfinite(_largest(a)) and math.isfinite(_largest(b))):
        finite = b.isfinite()
        if not torch.equal(a.isfinite(), finite) or not torch.equal(_special(a), _special(b)):
            raise Mismatch(f"{where}: inf or NaN in other places: expected {_short(b)}, received {_short(a)}")
        a, b = a[finite], b[finite]
        if not b.numel():
            return
    if _check_values(a, b, where, bound, noise) >= LARGE:
        others = b.abs() < LARGE
        if others.any():
            _check_values(a[others], b[others], where, bound, noise)


def _check_values(a: Tensor, b: Tensor, where: str, bound: float, noise: float) -> float:
    """Check finite numbers; the result is the largest of those expected."""
    difference, size = _largest(a - b), _largest(b)
    if difference > bound * size + noise:
        raise Mismatch(
            f"{where}: differs by {difference:.3g}, allowed {bound:g} · {size:.3g}: "
            f"expected {_short(b)}, received {_short(a)}"
        )
    return size


def _largest(x: Tensor) -> float:
    """The largest magnitude, which is infinite or NaN where one number is; in one pass, with no temporary."""
    return torch.linalg.vector_norm(x, math.inf).item()


def shapes(nested: Any) -> list[Any]:
    """What there is to compare of tensors that have no values."""

    def shape(value: Any) -> Any:
        return (tuple(value.shape), value.dtype, value.device.type) if isinstance(value, Tensor) else value

    return [shape(value) for value in tree_flatten(nested)[0]]


def _layout(x: Tensor) -> list[int]:
    """Strides of the axes where they mean anything."""
    return [] if x.numel() == 0 else [stride for stride, size in zip(x.stride(), x.shape, strict=True) if size > 1]


def _special(x: Tensor) -> Tensor:
    if x.is_complex():
        x = torch.view_as_real(x)
    # +inf, -inf and NaN, told apart
    return x.isnan() * 3 + x.isposinf() * 2 + x.isneginf() * 1


def _short(x: Tensor) -> str:
    return str(x.flatten()[:6].tolist())


@dataclass
class ErrorRatio:
    """Squared errors of two implementations against one oracle, pooled over samples.

    In a precision with the unit roundoff eps, an implementation is as good as torch's if
    ``rmse ≤ 4 · rmse(builtin) + slack · eps``, with the errors relative to the oracle's root mean square.
    Samples are pooled to at least 16 elements: with fewer, equally good code fails one time in ten.
    """

    slack: float = 1.0
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    rounded: list[float] = field(default_factory=list)  # of the oracle itself, rounded to the result's dtype
    elements: list[int] = field(default_factory=list)
    eps: float = 0.0

    def add(self, ours: Sequence[Tensor], theirs: Sequence[Tensor], oracle: Sequence[Tensor]) -> None:
        """Take in one sample's results."""
        for a, b, exact in zip(ours, theirs, oracle, strict=True):
            if not b.is_floating_point() or b.numel() == 0:
                continue
            dtype, is_sparse = b.dtype, b.layout is not torch.strided
            a, b, exact = (x.detach().to_dense().to(torch.float64) for x in (a, b, exact))
            # a NaN where the exact result is finite is torch's own mistake: oneDNN makes one, on some processors, in
            # the gradient of a bfloat16 convolution whose input has an infinity
            usable = exact.isfinite() & ~b.isnan()
            as_torch = torch.equal(a.isfinite() & usable, b.isfinite() & usable)
            # and to be finite exactly where the oracle is cannot be wrong
            if not as_torch and not torch.equal(a.isfinite(), exact.isfinite()):
                raise Mismatch(f"inf or NaN in other places: expected {_short(b)}, received {_short(a)}")
            usable &= b.isfinite()
            if not usable.any():
                continue
            scale = exact[usable].square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
            self.ours.append(((a - exact)[usable] / scale).square().sum().item())
            self.theirs.append(((b - exact)[usable] / scale).square().sum().item())
            # what is sparse may have several numbers for one place, each of them rounded
            rounding = (b if is_sparse else exact.to(dtype).to(torch.float64)) - exact
            self.rounded.append((rounding[usable & rounding.isfinite()] / scale).square().sum().item())
            self.elements.append(int(usable.sum()))

    def check_whole(self, where: str, factor: float, floor: float) -> None:
        """Check all samples at once.

        Raises:
            Mismatch: the relative error is larger than ``factor`` times torch's own plus ``floor``.
        """
        elements = sum(self.elements)
        if elements < 16:
            return
        rmse, builtin = ((sum(errors) / elements) ** 0.5 for errors in (self.ours, self.theirs))
        if rmse > factor * builtin + floor:
            raise Mismatch(
                f"{where}: relative rmse {rmse:.3g} on all samples, allowed {factor:g} · {builtin:.3g} + {floor:.3g}"
            )

    def check_once(self, where: str, factor: float, floor: float) -> None:
        """Check that the results are rounded once; each counts alike, a single number as much as a large tensor.

        Raises:
            Mismatch: the relative error is larger than ``factor`` times that of the oracle, rounded, plus ``floor``.
        """
        found = [[e / n for e, n in zip(errors, self.elements, strict=True)] for errors in (self.ours, self.rounded)]
        rmse, once = ((sum(errors) / max(len(errors), 1)) ** 0.5 for errors in found)
        if rmse > factor * once + floor:
            raise Mismatch(
                f"{where}: relative rmse {rmse:.3g} on all samples, that of a single rounding is {once:.3g}, "
                f"allowed {factor:g} · {once:.3g} + {floor:.3g}"
            )

    def check(self, where: str, eps: float) -> None:
        """Check the bound, pool by pool.

        Raises:
            Mismatch: the error is larger than the bound allows.
        """
        ours = theirs = 0.0
        elements = 0
        last = len(self.elements) - 1
        for index, (a, b, count) in enumerate(zip(self.ours, self.theirs, self.elements, strict=True)):
            ours, theirs, elements = ours + a, theirs + b, elements + count
            if elements < 16 and index != last:
                continue
            rmse, builtin = (ours / elements) ** 0.5, (theirs / elements) ** 0.5
            if rmse > 4 * builtin + self.slack * eps and elements >= 16:
                raise Mismatch(
                    f"{where}: relative rmse {rmse:.3g} on pool ending at {index}, "
                    f"allowed 4 · {builtin:.3g} + {self.slack:g} · {eps:.3g}"
                )
            ours = theirs = 0.0
            elements = 0
