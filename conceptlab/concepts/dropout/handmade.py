r"""Dropout, with its derivative.

Everything that is random is drawn first: a factor $s$, and for the alpha kinds a shift $t$, with

$$ y = s\, x + t, \qquad s = \frac{m}{1 - p}, \quad t = 0 \qquad \text{or} \qquad
   s = a\, m, \quad t = a\, \alpha' (1 - m) + b = a\, \alpha' (1 - p - m) $$

Division and mask are one factor, so that one pass over the data is left. The rule sees $s$ and $t$ as constants, and a
line has the slope $s$:

$$ \frac{\partial L}{\partial x} = s\, \frac{\partial L}{\partial y}, \qquad \dot y = s\, \dot x $$

It is *the same* $s$ forward and backward, hence an input of the rule, which it saves: a mask drawn anew in backward
would be the gradient of another function. (Nor can it be told from $y$, where $x$ may be 0.)

$m$ is drawn in the dtype and in the memory format of the input, by one in-place call, as torch does it: that is what
makes the draws the same, and what makes ``vmap`` with ``randomness="same"`` and ``"different"`` mean what they say.
"""

import math
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, message, save, warn

# SELU's lowest value, -scale * alpha (Klambauer et al., 2017, equation 14)
_LOWEST = -1.7580993408473766


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    _check_probability("dropout", p)
    return _drop(input, None, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    _check_probability("dropout1d", p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            message(
                "dropout1d",
                expected="Expected 2D or 3D input, (C, T) or (B, C, T)",
                received=f"a {input.dim()}D input",
                remedy="Use dropout, or dropout2d and dropout3d for images and volumes.",
            )
        )
    return _drop(input, (*input.shape[:-1], 1), p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    _check_probability("dropout2d", p)
    _warn_unless(input, (3, 4), "dropout2d")
    if input.dim() == 3:
        warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as (B, C, T). Use dropout1d for that, or give images a batch axis.",
            stacklevel=3,
        )
    return _drop(input, _one_for_each_channel("dropout2d", input, p, training), p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    _check_probability("dropout3d", p)
    _warn_unless(input, (4, 5), "dropout3d")
    if input.dim() == 5:
        return _drop(input, (*input.shape[:2], 1, 1, 1), p, training, inplace)
    # one volume, without a batch axis
    return _drop(input, (*input.shape[:1], *(1 for _ in input.shape[1:])), p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    _check_probability("alpha_dropout", p)
    return _drop(input, None, p, training, inplace, alpha=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    _check_probability("feature_alpha_dropout", p)
    mask_shape = _one_for_each_channel("feature_alpha_dropout", input, p, training)
    return _drop(input, mask_shape, p, training, inplace, alpha=True)


def _drop(
    input: Tensor, mask_shape: tuple | None, p: float, training: bool, inplace: bool, *, alpha: bool = False
) -> Tensor:
    """Draw for each element, in its order in memory, or for a smaller shape that broadcasts."""
    if p == 0 or not training or input.numel() == 0:
        return input
    scale, shift = _draw(input, mask_shape, p, alpha)
    output = _Line.call(input, scale, shift)
    return input.copy_(output) if inplace else output


def _draw(input: Tensor, mask_shape: tuple | None, p: float, alpha: bool) -> tuple[Tensor, Tensor | None]:
    """s and t."""
    if p == 1:
        return input.new_zeros(()), None  # without a draw, and for the alpha kinds too: torch leaves 0
    mask = torch.empty_like(input) if mask_shape is None else input.new_empty(mask_shape)
    mask.bernoulli_(1 - p)
    if not alpha:
        return mask.div_(1 - p), None
    a = 1 / math.sqrt((1 - p) * (1 + p * _LOWEST**2))
    shift = (mask - 1).mul_(-a * _LOWEST).add_(-a * _LOWEST * p)
    return mask.mul_(a), shift


class _Line(Rule):
    """s x + t, where s and t are constants."""

    @staticmethod
    def forward(x: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
        y = x * scale
        return y if shift is None else y.add_(shift)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (scale,) = ctx.saved_tensors
        return grad_output * scale, None, None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, *_: None) -> Tensor:
        (scale,) = ctx.saved_tensors
        return x_tangent * scale


def _check_probability(where: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(
            message(
                f"{where}: dropout probability has to be between 0 and 1",
                expected="0 <= p <= 1",
                received=str(p),
                remedy="p is the share that is dropped, 0.5 for instance.",
            )
        )


def _warn_unless(input: Tensor, dims: tuple[int, int], where: str) -> None:
    if input.dim() not in dims:
        warn(
            f"{where}: Received a {input.dim()}-D input to {where}, which is deprecated and will result in an error in "
            f"a future release. Use dropout, or give it {dims[0]} or {dims[1]} axes.",
            stacklevel=4,
        )


def _one_for_each_channel(where: str, input: Tensor, p: float, training: bool) -> tuple[int, ...]:
    if input.dim() < 2 and training and p not in (0, 1):
        raise RuntimeError(
            message(
                f"{where}: Feature dropout requires at least 2 dimensions in the input",
                expected="(B, C, …)",
                received=f"{input.dim()} axes",
                remedy="Use dropout or alpha_dropout for single values.",
            )
        )
    return *input.shape[:2], *(1 for _ in input.shape[2:])
