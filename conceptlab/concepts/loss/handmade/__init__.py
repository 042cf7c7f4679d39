"""Losses with derivatives made by hand: of elements, and of rows of classes."""

from conceptlab.concepts.loss.handmade.classes import cross_entropy, nll_loss
from conceptlab.concepts.loss.handmade.elements import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]
