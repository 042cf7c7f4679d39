"""Losses with derivatives by hand: of numbers, of classes, of yes and no, of distributions, of pairs and triplets."""

from conceptlab.concepts.loss.handmade.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from conceptlab.concepts.loss.handmade.classification import cross_entropy, nll_loss
from conceptlab.concepts.loss.handmade.divergence import kl_div
from conceptlab.concepts.loss.handmade.metric import cosine_embedding_loss, triplet_margin_loss
from conceptlab.concepts.loss.handmade.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
    "triplet_margin_loss",
]
