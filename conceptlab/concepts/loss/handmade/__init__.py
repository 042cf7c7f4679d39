"""Losses with derivatives by hand: of numbers, of classes, of yes and no."""

from conceptlab.concepts.loss.handmade.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from conceptlab.concepts.loss.handmade.classification import cross_entropy, nll_loss
from conceptlab.concepts.loss.handmade.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss

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
