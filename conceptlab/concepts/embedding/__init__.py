r"""Embedding: a vector for each word of a vocabulary, learned like any other weight.

A word is a number from 0 to $V - 1$, and its vector is a row of the table ``weight`` (V, D). ``one_hot`` writes the
word $w$ as a vector of zeros with a single 1 at place $w$; a linear layer without a bias makes of it

$$ y = \operatorname{onehot}(w)\, W = W_w $$

the row $w$, and ``embedding`` looks it up without multiplying. ``embedding_bag`` reduces the rows of a bag of words, of
which the order does not count, to one vector: by ``mode`` their sum, mean or maximum, number by number. In a sum each
word $n$ may have a factor $p_n$, ``per_sample_weights``.

| argument | |
|---|---|
| ``input`` | words, int64 or int32 |
| ``padding_idx`` | a word that only fills up: its row gets no gradient, and no bag counts it |
| ``max_norm`` | rows that are looked up are shortened to it, in ``weight`` itself; of the ``norm_type``-norm |
| ``scale_grad_by_freq`` | the gradient of a row is divided by how often its word occurs in ``input`` |
| ``sparse`` | the gradient of ``weight`` is a sparse tensor, with a row for each word of ``input`` |
| ``offsets`` | where each bag begins; with ``include_last_offset`` also where the last one ends |

Shapes: ``embedding`` (\*) to (\*, D), ``one_hot`` (\*) to (\*, ``num_classes``). ``embedding_bag`` takes (B, L), bags
of one size, or (N) with ``offsets`` (B), and gives (B, D); a bag without words gives zeros.

Training and evaluation are the same. New tables are drawn from $N(0, 1)$, with zeros for the padding word. Half
precision is added up in float32. Of equal numbers the maximum is the first.

Sparse gradients are torch's number by number, but in forward mode, where they are dense, since a sparse tensor carries
no tangent; compiled code cannot make them. With ``num_classes=-1`` there are as many classes as the largest number
needs, a size that depends on the data: the host waits for the device there, as torch's own does. Words behind the last
offset belong to no bag; of torch's own that holds of float32 sums and means, while elsewhere it adds them to the last
bag. ``scale_grad_by_freq`` divides by the word's own count; torch 2.11 divides in bags by that of another word.

Source: Bengio et al., *A neural probabilistic language model*, 2003; Mikolov et al., *Efficient estimation of word
representations in vector space*, 2013; Joulin et al., *Bag of tricks for efficient text classification*, 2017 (bags).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class Embedding(Tiered, torch.nn.Embedding):
    """A table of ``num_embeddings`` vectors, of which the words' own are looked up.

    >>> table = Embedding.from_pretrained(torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    >>> table(torch.tensor([1, 1, 0]))
    tensor([[2., 3.],
            [2., 3.],
            [0., 1.]])
    """

    def reset_parameters(self) -> None:
        self.ops.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )


class EmbeddingBag(Tiered, torch.nn.EmbeddingBag):
    """The same for bags of words: one vector for each bag.

    >>> table = EmbeddingBag.from_pretrained(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), mode="sum")
    >>> table(torch.tensor([1, 1, 0]), offsets=torch.tensor([0, 2]))
    tensor([[4., 6.],
            [0., 1.]])
    """

    def reset_parameters(self) -> None:
        self.ops.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return self.ops.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )


def _table_first(
    function: Callable,
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """``torch.embedding``, where a padding index that no word has means: none."""
    padding = padding_idx if 0 <= padding_idx < len(weight) else None
    return function(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def _table_first_of_bags(
    function: Callable,
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``torch.embedding_bag``, which counts the modes, and adds notes for its own backward pass: empty here."""
    output = function(
        indices,
        weight,
        offsets,
        scale_grad_by_freq=scale_grad_by_freq,
        mode=("sum", "mean", "max")[mode],
        sparse=sparse,
        per_sample_weights=per_sample_weights,
        include_last_offset=include_last_offset,
        padding_idx=padding_idx,
    )
    return output, *(indices.new_empty(0) for _ in range(3))


CONCEPT = Concept(
    title="vectors for words",
    home=F,
    functions={
        "embedding": Function(also={torch.embedding: _table_first}),
        "embedding_bag": Function(also={torch.embedding_bag: _table_first_of_bags}),
        "one_hot": Function(),
    },
    classes={
        Embedding: ("embedding", "normal_"),
        EmbeddingBag: ("embedding_bag", "normal_"),
    },
)
