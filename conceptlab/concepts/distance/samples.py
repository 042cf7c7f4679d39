"""Inputs for distances that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_ORDERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0, -2.5, math.inf, -math.inf)


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Every order with equal vectors and ties, every way to broadcast, no numbers, vectors without length."""

    def x(*shape: int) -> Tensor:
        # no normal numbers: those are the checks' tangents, and along the vectors themselves no angle changes
        return (torch.rand(shape, dtype=dtype) * 3 - 1).requires_grad_()

    if part == "pairwise_distance":
        yield from _distances(x)
    elif part == "cosine_similarity":
        yield from _similarities(x)
    elif part == "PairwiseDistance":
        yield Sample("all arguments", (x(3, 4), x(3, 4)), {}, (1.0, 1e-3, True))
    else:
        yield Sample("all arguments", (x(3, 4, 2), x(3, 4, 2)), {}, (-2, 0.5))


def _distances(x) -> Iterator[Sample]:
    dtype = x(1).dtype
    near = x(3, 4).detach()
    # no difference at all in the first row, one of them in the second
    near[1, 1:] += 1
    for p in _ORDERS:
        yield Sample(f"p={p}", (x(3, 4), x(3, 4)), {"p": p})
        yield Sample(f"p={p}, equal", (near.clone().requires_grad_(), near[:1]), {"p": p, "eps": 0.0}, smooth=False)
        yield Sample(f"p={p}, kept", (x(2, 3, 4), x(4)), {"p": p, "keepdim": True, "eps": 0.1})
        ends = torch.tensor([[math.inf, 1], [-math.inf, 1], [math.nan, 1], [1e30, 1]], dtype=dtype, requires_grad=True)
        yield Sample(f"p={p}, extremes", (ends, torch.zeros(2, dtype=dtype)), {"p": p}, smooth=False)
    # of three each, whose share no precision has exactly
    ties = torch.tensor([[2.0, -2.0, 2.0, 1.0, 1.0, 1.0]], dtype=dtype, requires_grad=True)
    for p in (math.inf, -math.inf):
        yield Sample(f"p={p}, ties", (ties, torch.zeros(1, 6, dtype=dtype)), {"p": p, "eps": 0.0}, smooth=False)
    yield Sample("a number", (x().detach(), x().detach()))
    yield Sample("a number, kept", (x(), x()), {"p": math.inf, "keepdim": True})
    yield Sample("a number for many", (x(), x(4)))
    yield Sample("many for a number", (x(4), x()), {"p": 1})
    yield Sample("all pairs", (x(3, 1, 4), x(1, 2, 4)))
    yield Sample("one number for many", (x(3, 1), x(3, 4)))
    yield Sample("no vectors", (x(0, 4), x(0, 4)))
    yield Sample("no numbers", (x(3, 0), x(3, 0)))
    yield Sample("axes exchanged", (x(4, 3, 2).transpose(0, 1), x(4, 3, 2).transpose(0, 1)))
    yield Sample("by the second alone", (x(3, 4).detach(), x(3, 4)))
    # of which float32 has the distances exactly, in whatever order they are added up
    whole = torch.tensor([[4, 5], [6, 13], [9, 16]])
    yield Sample("whole numbers", (whole, torch.ones_like(whole)), {"eps": 0.0})
    yield Sample("whole numbers beside fractions", (torch.arange(12).reshape(3, 4), x(3, 4)))
    yield Sample("another dtype", (x(3, 4), x(3, 4).detach().bfloat16()))
    # a number takes the dtype of the vectors beside it
    vectors, number = torch.tensor([[3.0, 4.0]], dtype=torch.bfloat16), torch.tensor(0.0, dtype=dtype)
    yield Sample("half precision beside a number", (vectors, number), {"p": 1.0, "eps": 0.0})
    yield Sample("a number beside half precision", (number, vectors), {"p": 1.0, "eps": 0.0})


def _takes_half() -> bool:
    """Whether torch's forward mode does, of a length that is eps; 2.11 takes all of it."""
    one = torch.ones(1, 1)
    slope = torch.func.jvp(lambda x: F.cosine_similarity(x, one, eps=1.0), (one,), (one,))[1]
    return bool(slope == 0.5)


def _similarities(x) -> Iterator[Sample]:
    dtype = x(1).dtype
    for dim in (0, 1, 2, -1, -2, -3):
        yield Sample(f"dim={dim}", (x(2, 3, 4), x(2, 3, 4)), {"dim": dim})
    short = torch.tensor([[0.0, 0.0], [3e-3, -4e-3], [3.0, 4.0]], dtype=dtype, requires_grad=True)
    # the second is shorter than eps and not 0; the derivative is no derivative there
    yield Sample("short", (short, x(3, 2)), {"eps": 0.1}, smooth=False)
    yield Sample("both short", (short, short.detach().flip(0).requires_grad_()), {"eps": 0.1}, smooth=False)
    if _takes_half():
        long = torch.tensor([[8.0, 6.0], [6.0, 8.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
        yield Sample("as long as eps", (short, x(3, 2)), {"eps": 5.0}, smooth=False)
        yield Sample("the second as long as eps", (short.detach() + 9, long), {"eps": 10.0}, smooth=False)
    yield Sample("eps=0", (x(3, 4), x(3, 4)), {"eps": 0.0})
    yield Sample("all pairs", (x(3, 1, 4), x(1, 2, 4)), {"dim": 2})
    yield Sample("all pairs, of columns", (x(1, 4, 3), x(2, 4, 1)), {"dim": 1})
    yield Sample("fewer axes", (x(4), x(2, 3, 4)), {"dim": -1})
    # a vector along the diagonal, and vectors of one number, have angles that do not change: a gradient of rounding
    constant = x(3, 1).detach()
    yield Sample("one number for many", (constant, x(3, 4)))
    yield Sample("one number for all", (x(2, 3, 4), constant[:1]), {"dim": -1})
    yield Sample("a number for many", (constant[0, 0], x(3)), {"dim": 0})
    yield Sample("a number", (constant[0, 0], constant[1, 0]), {"dim": 0})
    yield Sample("a number from the end", (constant[0, 0], constant[1, 0]), {"dim": -1})
    yield Sample("no vectors", (x(0, 4), x(0, 4)))
    yield Sample("no numbers", (x(3, 0), x(3, 0)))
    yield Sample("axes exchanged", (x(4, 3, 2).transpose(0, 1), x(4, 3, 2).transpose(0, 1)))
    yield Sample("by the first alone", (x(3, 4), x(3, 4).detach()))
    yield Sample("by the second alone", (x(3, 4).detach(), x(3, 4)))
    yield Sample("whole numbers beside fractions", (torch.arange(12).reshape(3, 4), x(3, 4)))
    yield Sample("truths beside fractions", (x(3, 4), torch.eye(3, 4, dtype=torch.bool)))


def refused(part: str) -> Iterator[Sample]:
    """Shapes that do not broadcast, axes that are not there, dtypes without a distance, arguments out of range."""
    x, y, whole = torch.randn(3, 4), torch.randn(3, 5), torch.arange(12).reshape(3, 4)
    if part == "pairwise_distance":
        yield Sample("sizes", (x, y))
        yield Sample("truths", (x > 0, x > 0))
        yield Sample("truths beside fractions", (x > 0, x))
        yield Sample("p is a word", (x, x), {"p": "fro"})
        for p in (math.inf, -math.inf, -1.0):
            yield Sample(f"p={p} of nothing", (x[:, :0], x[:, :0]), {"p": p})
    elif part == "cosine_similarity":
        yield Sample("sizes", (x, y))
        for dim in (2, -3):
            yield Sample(f"dim={dim}", (x, x), {"dim": dim})
            yield Sample(f"dim={dim}, one for many", (x, x[:1]), {"dim": dim})
        yield Sample("dim=1, one number for many", (x[0], x[0, :1]), {"dim": 1})
        yield Sample("no axis", (torch.randn(()), torch.randn(())))
        yield Sample("one axis", (x[0], x[0]))
        yield Sample("whole numbers", (whole, whole))
        yield Sample("truths", (x > 0, x > 0))
        yield Sample("complex", (x.to(torch.complex64), x))
        for eps in (-1.0, math.nan):
            yield Sample(f"eps={eps}", (x, x), {"eps": eps})


_EMBEDDINGS = {"SimCLR (ResNet-18)": (256, 512), "sentence-BERT": (64, 768), "FaceNet": (90, 128)}

BENCH = (
    *(
        Case(part, network, lambda shape=shape: (torch.randn(shape), torch.randn(shape)))
        for part in ("CosineSimilarity", "cosine_similarity", "PairwiseDistance", "pairwise_distance")
        for network, shape in _EMBEDDINGS.items()
    ),
    *(
        Case(part, "prototypical network (5 classes)", lambda: (torch.randn(75, 1, 1600), torch.randn(1, 5, 1600)))
        for part in ("pairwise_distance",)
    ),
    Case(
        "cosine_similarity",
        "matching network (25 images)",
        lambda: (torch.randn(75, 1, 64), torch.randn(1, 25, 64)),
        kwargs={"dim": -1},
    ),
)
