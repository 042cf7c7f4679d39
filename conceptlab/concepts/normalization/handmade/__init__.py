"""Normalization, with derivatives made by hand: a file for each kind."""

from conceptlab.concepts.normalization.handmade.batch import batch_norm

__all__ = ["batch_norm"]
