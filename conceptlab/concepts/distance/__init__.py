r"""Distance and similarity: how far two vectors lie apart, and how much they point the same way.

$$ \operatorname{distance}(x, y) = \lVert x - y + \varepsilon \rVert_p, \qquad
   \lVert d \rVert_p = \Bigl( \sum_i |d_i|^p \Bigr)^{1/p} $$

with $x, y$ the arguments ``x1``, ``x2``, the order ``p`` and $\varepsilon$ = ``eps``, added to each difference so that
two equal vectors are not at distance 0, where a norm has a corner. $p = 2$ is the distance of a ruler, $p = 1$ that of
a taxi among blocks of houses, $p = \infty$ the largest difference, $-\infty$ the smallest, and $p = 0$ counts those
that are not 0.

$$ \operatorname{similarity}(x, y) = \frac{x \cdot y}{\max(\lVert x \rVert_2, \varepsilon)
   \max(\lVert y \rVert_2, \varepsilon)} = \cos \angle(x, y) $$

is 1 for vectors of the same direction, 0 for such at right angles, −1 for opposite ones, however long they are; of a
vector without length it is 0.

Shapes: ``x1`` and ``x2`` broadcast to (\*, D, \*). ``pairwise_distance`` takes the last axis as vectors, and keeps it
with 1 number if ``keepdim``; ``cosine_similarity`` takes the axis ``dim`` of the broadcast shape. Both give (\*, \*).
All pairs of N and M vectors are (N, 1, D) and (1, M, D).

Training and evaluation are the same. Half precision is computed in float32. As torch has it, whole numbers are taken as
fractions, distances of complex vectors are real, and similarity has none of them. Subgradients are torch's: 0 where all
differences are 0; and where $\varepsilon$ stands for a length that is smaller, the backward pass still has the
derivative of the length, though forward mode has not. Under autocast, on CUDA, both are float32.

Source: Deza, Deza, *Encyclopedia of Distances*, 2009; Salton, Wong, Yang, *A vector space model for automatic
indexing*, 1975 (cosine).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class PairwiseDistance(Tiered, torch.nn.PairwiseDistance):
    """$\\lVert x - y + \\varepsilon \\rVert_p$ of each pair of vectors.

    >>> PairwiseDistance()(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 3.0]]))
    tensor([5.0000, 2.0000])
    """

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return self.ops.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Tiered, torch.nn.CosineSimilarity):
    """The cosine of the angle between each pair of vectors.

    >>> CosineSimilarity()(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0], [3.0, 4.0]]))
    tensor([0.0000, 0.6000])
    """

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return self.ops.cosine_similarity(x1, x2, self.dim, self.eps)


CONCEPT = Concept(
    title="distance and similarity of vectors",
    home=F,
    functions={
        # torch.cosine_similarity and torch.pairwise_distance are the very functions of torch.nn.functional
        "cosine_similarity": Function(autocast={"cuda": "float32"}),
        "pairwise_distance": Function(autocast={"cuda": "float32"}),
    },
    classes={PairwiseDistance: "pairwise_distance", CosineSimilarity: "cosine_similarity"},
)
