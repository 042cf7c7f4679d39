"""Inputs for positions, of which PyTorch has none, laws that they have to obey, and calls whose speed is measured."""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Law, Sample


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Sequences and heads, pairs of both kinds, positions given in every way; layouts, extremes, nothing at all."""

    def x(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, requires_grad=True)

    match part:
        case "sinusoidal_positions":
            yield from _sinusoidal(x)
        case "learned_positions":
            yield Sample("a sequence", (torch.arange(5), x(7, 4)))
            yield Sample(
                "of each sequence, 32 bits", (torch.tensor([[0, 6, 3], [3, 3, 0]], dtype=torch.int32), x(7, 4))
            )
            yield Sample("one", (torch.tensor(6), x(7, 4)))
            yield Sample("none", (torch.arange(0), x(7, 4)))
        case "rotary":
            yield from _rotary(x)
        case "SinusoidalPositions":
            yield from _layer(x, (4,))
            yield Sample("another base", (x(2, 5, 4),), {}, (4, 100.0))
        case "LearnedPositions":
            yield from _layer(x, (300, 4))
            yield Sample("as long as the table", (x(2, 5, 4),), {}, (5, 4))
        case "RotaryPositions":
            yield from _layer(x, (4,))
            yield Sample("another base, halves", (x(2, 5, 4),), {}, (4,), {"base": 100.0, "interleaved": False})
            yield Sample("a part of each vector", (x(2, 3, 5, 6),), {}, (4,))


def _sinusoidal(x: Callable[..., Tensor]) -> Iterator[Sample]:
    yield Sample("a sequence", (torch.arange(5), 6))
    yield Sample("halves, another base", (torch.arange(5), 6, 100.0, False))
    yield Sample("in the dtype that is asked for", (torch.arange(250, 260), 4), {"dtype": torch.bfloat16})
    for interleaved in (True, False):
        yield Sample(f"times, {interleaved}", (x(2, 3), 6), {"interleaved": interleaved})
    yield Sample("one", (x(), 4))
    yield Sample("none", (x(0), 4))
    yield Sample("no vectors", (torch.arange(5), 0))
    ends = torch.tensor([0.0, math.inf, -math.inf, math.nan], dtype=x().dtype, requires_grad=True)
    yield Sample("extremes", (ends, 4), smooth=False)


def _rotary(x: Callable[..., Tensor]) -> Iterator[Sample]:
    for interleaved in (True, False):
        pairs = "neighbours" if interleaved else "halves"
        yield Sample(f"a sequence, {pairs}", (x(2, 5, 4),), {"interleaved": interleaved})
        yield Sample(f"heads, from the seventh on, {pairs}", (x(2, 3, 5, 6), 7), {"interleaved": interleaved})
        yield Sample(f"a part, {pairs}", (x(2, 3, 5, 6), -2, 100.0, interleaved, 4))
        yield Sample(f"a part of an odd number, {pairs}", (x(2, 5, 5), 1, 100.0, interleaved, 4))
        heads = x(2, 5, 3, 4).detach().transpose(1, 2).requires_grad_()
        yield Sample(f"heads that lay behind time, {pairs}", (heads,), {"interleaved": interleaved})
    yield Sample("of each sequence", (x(2, 3, 5, 4), torch.tensor([[[0, 0, 1, 2, 3]], [[0, 1, 2, 3, 4]]])))
    yield Sample("heads behind time", (x(2, 5, 3, 4), torch.arange(5).unsqueeze(1)))
    yield Sample("between words", (x(2, 5, 4), x(5)))
    yield Sample("times", (x(40, 2), x(40)))
    yield Sample("between words, a part, halves", (x(4, 3, 5, 6), x(4, 1, 5), 100.0, False, 4))
    yield Sample("one vector", (x(4), torch.tensor(3)))
    yield Sample("far away", (x(5, 4), 100_000))
    yield Sample("no sequences", (x(0, 5, 4),))
    yield Sample("no words", (x(2, 0, 4), 3))
    yield Sample("no numbers", (x(2, 5, 0),))
    yield Sample("nothing turned", (x(2, 5, 4),), {"dim": 0})
    ends = torch.tensor([[0.0, math.inf, -math.inf, math.nan, 1.0, 2.0]], dtype=x().dtype, requires_grad=True)
    yield Sample("extremes", (ends, 1), smooth=False)


def _layer(x: Callable[..., Tensor], init: tuple) -> Iterator[Sample]:
    yield Sample("a sequence", (x(2, 5, 4),), {}, init)
    yield Sample("from the seventh on", (x(2, 5, 4), 7), {}, init)
    yield Sample("heads", (x(2, 3, 5, 4),), {}, init)
    yield Sample("no batch axis, far away", (x(5, 4),), {"positions": 256}, init)
    yield Sample("of each sequence", (x(2, 3, 4), torch.tensor([[0, 0, 1], [0, 1, 2]])), {}, init)
    yield Sample("no words", (x(2, 0, 4),), {}, init)


def refused(part: str) -> Iterator[Sample]:
    """What falls into no pairs, positions that do not fit, numbers that are none."""
    one = torch.ones
    match part:
        case "sinusoidal_positions":
            yield Sample("an odd dim", (torch.arange(5), 3))
            yield Sample("a negative dim", (torch.arange(5), -2))
        case "learned_positions":
            yield Sample("real numbers", (one(5), one(7, 4)))
            yield Sample("beyond the table", (torch.tensor([7]), one(7, 4)))
            yield Sample("before the table", (torch.tensor([-1]), one(7, 4)))
            yield Sample("a table of one axis", (torch.tensor([0]), one(7)))
        case "rotary":
            yield Sample("an odd number", (one(5, 3),))
            yield Sample("an odd dim", (one(5, 4),), {"dim": 3})
            yield Sample("more than there are", (one(5, 4),), {"dim": 6})
            yield Sample("integers", (one(5, 4, dtype=torch.int64),))
            yield Sample("complex numbers", (one(5, 4, dtype=torch.complex64),))
            yield Sample("no axis of time", (one(4),))
            yield Sample("positions of other words", (one(2, 5, 4), torch.arange(3)))
            yield Sample("positions of more axes", (one(5, 4), one(2, 5)))


def _random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


PUBLISHED = torch.tensor(
    [
        [0.0, 1.0, 0.0, 1.0],
        [0.84147098, 0.54030231, 0.09983342, 0.99500417],
        [0.90929743, -0.41614684, 0.19866933, 0.98006658],
        [0.14112001, -0.9899925, 0.29552021, 0.95533649],
    ],
    dtype=torch.float64,
)
"""Four positions, dim 4, base 100, to eight digits: Saeed, *A gentle introduction to positional encoding in Transformer
models*, Machine Learning Mastery, 2022."""


def published_vectors(sinusoidal: Callable) -> Iterable:
    """Four vectors of base 100 that are published, and single numbers of base 10000 by the paper's formula."""
    yield (sinusoidal(torch.arange(4), 4, 100.0, dtype=torch.float64) * 1e8).round(), (PUBLISHED * 1e8).round()
    vectors = sinusoidal(torch.arange(100), 512, dtype=torch.float64)
    for p, i in ((1, 0), (7, 3), (50, 128), (99, 255)):
        angle = p / 10000 ** (2 * i / 512)
        yield vectors[p, 2 * i : 2 * i + 2], torch.tensor([math.sin(angle), math.cos(angle)], dtype=torch.float64)


def shift_is_a_rotation(sinusoidal: Callable) -> Iterable:
    """To go on by k words turns each pair of numbers by an angle that depends on k alone."""
    for k in (1, 30):
        here, there = (sinusoidal(torch.arange(s, s + 9), 8, dtype=torch.float64) for s in (0, k))
        # here[0] is position 0, and there[0] is k: sines and cosines of the angles themselves
        sin, cos, sin_k, cos_k = here[:, 0::2], here[:, 1::2], there[0, 0::2], there[0, 1::2]
        yield there[:, 0::2], sin * cos_k + cos * sin_k
        yield there[:, 1::2], cos * cos_k - sin * sin_k


def sines_before_cosines(sinusoidal: Callable) -> Iterable:
    """Where they are not interleaved all sines come first, and then all cosines."""
    neighbours, halves = (sinusoidal(torch.arange(5), 6, 100.0, i, torch.float64) for i in (True, False))
    yield halves, torch.cat((neighbours[:, 0::2], neighbours[:, 1::2]), -1)


def positions_apart(sinusoidal: Callable) -> Iterable:
    """In half precision, too, no two neighbours have one vector."""
    for dtype in (torch.bfloat16, torch.float16):
        first, second = sinusoidal(torch.tensor([4096, 4097]), 4, dtype=dtype)
        yield torch.equal(first, second), False


def rows_of_the_table(learned: Callable) -> Iterable:
    """Each position has the row of its number."""
    yield learned(torch.tensor([[2, 0], [2, 1]]), torch.eye(3)), torch.eye(3)[[2, 0, 2, 1]].reshape(2, 2, 3)


def norm_kept(rotary: Callable) -> Iterable:
    """No vector changes its length."""
    x = _random(3, 7, 8)
    for interleaved in (True, False):
        for dim in (8, 4):
            yield rotary(x, 5, 100.0, interleaved, dim).norm(dim=-1), x.norm(dim=-1)


def relative_shift(rotary: Callable) -> Iterable:
    """The inner product of a query and a key depends on how far they are apart, not on where they are."""
    q, k = _random(2, 7, 8)
    for interleaved in (True, False):
        here, there = (
            rotary(q, s, interleaved=interleaved) @ rotary(k, s, interleaved=interleaved).mT for s in (0, 99)
        )
        yield there, here


def published_matrix(rotary: Callable) -> Iterable:
    """A vector is multiplied by the matrix of the paper's equation (15), which is made of sines and cosines."""
    for m in (0, 1, 50):
        matrix = torch.zeros(6, 6, dtype=torch.float64)
        for i in range(3):
            angle = m * 10000 ** (-2 * i / 6)
            matrix[2 * i, 2 * i] = matrix[2 * i + 1, 2 * i + 1] = math.cos(angle)
            matrix[2 * i, 2 * i + 1], matrix[2 * i + 1, 2 * i] = -math.sin(angle), math.sin(angle)
        x = _random(1, 6)
        yield rotary(x, m), x @ matrix.mT


def halves_are_pairs(rotary: Callable) -> Iterable:
    """Not interleaved, numbers i and i + D/2 are turned as the neighbours 2i and 2i + 1 are."""
    x = _random(5, 6)
    neighbours = rotary(torch.stack((x[:, :3], x[:, 3:]), -1).flatten(-2), 2)
    yield rotary(x, 2, interleaved=False), torch.cat((neighbours[:, 0::2], neighbours[:, 1::2]), -1)


def rest_kept(rotary: Callable) -> Iterable:
    """With a dim, the first numbers are turned as if there were no others, and these stay."""
    x = _random(5, 6)
    yield rotary(x, 2, dim=4), torch.cat((rotary(x[:, :4], 2), x[:, 4:]), -1)


def turned_apart(rotary: Callable) -> Iterable:
    """In half precision, too, no two neighbours are turned alike."""
    for dtype in (torch.bfloat16, torch.float16):
        first, second = rotary(torch.ones(2, 4, dtype=dtype), 4096)
        yield torch.equal(first, second), False


def _continued(*init: int) -> Law:
    def continued(build: Callable) -> Iterable:
        """A sequence in two pieces, the second from where the first ends, is the sequence as a whole."""
        layer, x = build(*init), _random(2, 7, 4)
        yield torch.cat((layer(x[:, :5]), layer(x[:, 5:], positions=5)), 1), layer(x)
        yield layer(x, torch.arange(7)), layer(x)

    return continued


def added_vectors(build: Callable) -> Iterable:
    """What is added to each vector is that of its position, four of which are published."""
    yield (build(4, 100.0)(torch.zeros(4, 4, dtype=torch.float64)) * 1e8).round(), (PUBLISHED * 1e8).round()


def added_rows(build: Callable) -> Iterable:
    """What is added to each vector is the row of the table that has the number of its position."""
    layer, x = build(9, 4), _random(2, 5, 4)
    yield (layer(x, 3) - x).detach(), layer.weight.detach()[3:8].expand(2, 5, 4)


def scores_of_distance(build: Callable) -> Iterable:
    """The scores of queries and keys are those of the paper, and depend on distances alone."""
    layer, (q, k) = build(2), _random(2, 7, 2)
    # q·R(n - m) k for one pair of numbers, with frequency 1
    apart = (torch.arange(7) - torch.arange(7).unsqueeze(1)).double()
    across = torch.outer(q[:, 1], k[:, 0]) - torch.outer(q[:, 0], k[:, 1])
    for start in (0, 99):
        yield layer(q, start) @ layer(k, start).mT, (q @ k.mT) * apart.cos() + across * apart.sin()


LAWS = {
    "sinusoidal_positions": (published_vectors, shift_is_a_rotation, sines_before_cosines, positions_apart),
    "learned_positions": (rows_of_the_table,),
    "rotary": (norm_kept, relative_shift, published_matrix, halves_are_pairs, rest_kept, turned_apart),
    "SinusoidalPositions": (added_vectors, _continued(4)),
    "LearnedPositions": (added_rows, _continued(9, 4)),
    "RotaryPositions": (scores_of_distance, _continued(4)),
}


BENCH = (
    Case("rotary", "RoFormer", lambda: (torch.randn(8, 12, 128, 64),)),
    Case("rotary", "Llama, 12 heads", lambda: (torch.randn(1, 12, 1024, 64),), kwargs={"interleaved": False}),
    Case(
        "rotary",
        "GPT-NeoX, 12 heads",
        lambda: (torch.randn(1, 12, 1024, 64),),
        kwargs={"interleaved": False, "dim": 16},
    ),
    Case("RotaryPositions", "RoFormer, a short text", lambda: (torch.randn(1, 12, 16, 64),), init_args=(64,)),
    Case("sinusoidal_positions", "Transformer", lambda: (torch.arange(256), 512)),
    Case("SinusoidalPositions", "Transformer", lambda: (torch.randn(8, 128, 512),), init_args=(512,)),
    Case("LearnedPositions", "GPT-2", lambda: (torch.randn(2, 256, 768),), init_args=(1024, 768)),
)
