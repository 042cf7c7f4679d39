"""Losses by their definitions: sample by sample, class by class. The derivatives are left to autograd."""

from conceptlab.concepts.loss.naive.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from conceptlab.concepts.loss.naive.classification import cross_entropy, nll_loss
from conceptlab.concepts.loss.naive.divergence import kl_div
from conceptlab.concepts.loss.naive.metric import cosine_embedding_loss, triplet_margin_loss
from conceptlab.concepts.loss.naive.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss

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
