r"""Positions: what tells attention, to which all words are alike, where each of them stands.

Attention is a sum over words, and a sum knows no order. So the position $p$ of a word is written into its vector, or
into the queries and keys. There are three ways. The first and the last take the numbers of a vector in pairs, and give
each pair $i = 0, \dots, D/2 - 1$ a frequency of its own, from one turn in 6 words down to one in 60 000,

$$ w_i = \text{base}^{-2i/D} $$

with $D$ the ``dim``. **Sinusoidal** positions are vectors that are added to those of the words,

$$ e_p = (\sin w_0 p,\ \cos w_0 p,\ \sin w_1 p,\ \cos w_1 p,\ \dots) $$

and to go on by $k$ words turns each pair by $w_i k$, wherever it starts: $e_{p + k} = M_k e_p$. **Learned** positions
are rows of a table, ``weight``, added likewise; beyond its last row there is nothing. **Rotary** positions turn each
pair of a query or key by the angle of its position,

$$ y = R(w_i p)\, x, \qquad R(\varphi) = \begin{pmatrix} \cos\varphi & -\sin\varphi \\ \sin\varphi & \cos\varphi
   \end{pmatrix}, \qquad \langle R(\varphi)\, q,\ R(\psi)\, k \rangle = \langle q,\ R(\psi - \varphi)\, k \rangle $$

so that their inner product, the score of attention, depends on how far they are apart and not on where they are; and
no vector changes its length.

| argument | |
|---|---|
| ``positions`` | a number: that of the first word, which the others follow; or a tensor: of each word |
| ``interleaved`` | whether neighbours are a pair, as in both papers; else $i$ and $i + D/2$, as in Llama |
| ``dim`` | of ``rotary``: turns the first $D$ numbers of each vector only; in GPT-NeoX a quarter |

Shapes: ``rotary`` and the layers (\*, T, D) to the same, sequences (B, T, D) or heads (B, N, T, D); ``positions``
broadcast against all axes but the last: (T), or (B, T), or (B, 1, T) where heads follow. The functions
``sinusoidal_positions`` and ``learned_positions`` give the vectors of positions (\*), (\*, D).

Training and evaluation are the same. Angles, and what is done with them, are computed in float32, and in float64 for
float64: 257 is no bfloat16 number, so that in bfloat16 words 256 and 257 would stand in one place. In float32 the angle
of position $p$ is right to about $p \cdot 6 \cdot 10^{-8}$. Positions may be real numbers, and have a gradient then.

The layers without weights have no state either: frequencies are computed at each call. As a buffer they would be
rounded by ``model.to(torch.bfloat16)``, and empty after ``to_empty()``. A new table is drawn from $N(0, 0.02^2)$.

torch has none of this: the tier ``naive`` stands in its place, and there is no tier ``builtin``.

Source: Vaswani et al., *Attention is all you need*, 2017, section 3.5 (sinusoidal); Gehring et al., *Convolutional
sequence to sequence learning*, 2017 (learned); Su et al., *RoFormer: Enhanced transformer with rotary position
embedding*, 2021.
"""

import torch
from torch import Tensor

from conceptlab.concepts.positions import naive
from conceptlab.concepts.positions._places import places
from conceptlab.core import Concept, Function, Tiered


class SinusoidalPositions(Tiered, naive.SinusoidalPositions):
    """Adds to each vector that of its position, sines and cosines of ``dim`` / 2 frequencies.

    >>> SinusoidalPositions(4)(torch.zeros(2, 4))
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """

    def forward(self, input: Tensor, positions: Tensor | int = 0) -> Tensor:
        dtype = torch.promote_types(input.dtype, torch.float32)
        positions = places("SinusoidalPositions", input, positions, self.dim)
        vectors = self.ops.sinusoidal_positions(positions, self.dim, self.base, self.interleaved, dtype)
        return (input + vectors).to(input.dtype)


class LearnedPositions(Tiered, naive.LearnedPositions):
    """Adds to each vector that of its position, a row of ``weight`` (num_positions, dim).

    >>> LearnedPositions(1024, 8)(torch.zeros(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def reset_parameters(self) -> None:
        self.ops.normal_(self.weight, std=0.02)

    def forward(self, input: Tensor, positions: Tensor | int = 0) -> Tensor:
        positions = places("LearnedPositions", input, positions, self.dim, self.num_positions)
        return input + self.ops.learned_positions(positions, self.weight)


class RotaryPositions(Tiered, naive.RotaryPositions):
    """Turns the first ``dim`` numbers of each query or key, pair by pair, by the angle of its position.

    With a cache of keys, those of new words are turned from where the cache ends:

    >>> keys, rotary = torch.randn(1, 2, 9, 4), RotaryPositions(4)
    >>> torch.equal(rotary(keys)[:, :, 8:], rotary(keys[:, :, 8:], positions=8))
    True
    """

    def forward(self, input: Tensor, positions: Tensor | int = 0) -> Tensor:
        return self.ops.rotary(input, positions, self.base, self.interleaved, self.dim)


CONCEPT = Concept(
    title="positions of words",
    home=naive,
    functions={"sinusoidal_positions": Function(), "learned_positions": Function(), "rotary": Function()},
    classes={
        SinusoidalPositions: "sinusoidal_positions",
        LearnedPositions: ("learned_positions", "normal_"),
        RotaryPositions: "rotary",
    },
)
