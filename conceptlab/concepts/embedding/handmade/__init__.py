"""Embeddings with vectorised arithmetic and derivatives by hand, a file for each function."""

from conceptlab.concepts.embedding.handmade.bags import embedding_bag
from conceptlab.concepts.embedding.handmade.indicators import one_hot
from conceptlab.concepts.embedding.handmade.lookup import embedding

__all__ = ["embedding", "embedding_bag", "one_hot"]
