"""Inputs for attention that PyTorch's own samples lack, and calls whose speed is measured."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_UNSEEN = "a query that is not finite leaves alone the keys that it does not see"


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Several blocks of keys, masks of every kind and shape, hidden rows, any leading axes, nothing at all."""
    generator = torch.Generator().manual_seed(0)

    def x(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()

    def three(*lead: int, L: int = 3, S: int = 5, E: int = 4, Ev: int = 2) -> tuple[Tensor, Tensor, Tensor]:
        return x(*lead, L, E), x(*lead, S, E), x(*lead, S, Ev)

    def some(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) < 0.6

    yield Sample("no leading axes", three())
    yield Sample("three leading axes", three(2, 1, 2), {"scale": 0.3})
    yield Sample("one batch of all", (x(3, 4), x(2, 1, 5, 4), x(3, 5, 2)))
    yield Sample("causal, more queries", three(2, L=5, S=3), {"is_causal": True})
    yield Sample("causal, more keys", three(2, L=3, S=5), {"is_causal": True, "scale": -0.7})
    yield Sample("no scale", three(2), {"scale": 0.0})
    yield Sample("groups of heads", (x(2, 4, 3, 4), x(2, 2, 5, 4), x(2, 1, 5, 2)), {"enable_gqa": True})
    for shape in ((3, 5), (5,), (1, 5), (3, 1), (2, 1, 3, 5), (2, 2, 1, 1)):
        # of what is added to a whole row the gradient is 0, and what is computed rounding
        numbers = x(*shape) if shape[-1] > 1 else x(*shape).detach()
        yield Sample(f"numbers {shape}", (*three(2, 2), numbers))
        yield Sample(f"booleans {shape}", (*three(2, 2), some(*shape)))
    yield Sample("numbers for three leading axes", (*three(2, 1, 2), x(2, 1, 1, 3, 5)))
    yield Sample("numbers for each of few heads", (*three(2, 1, 2), x(2, 3, 5)))
    hidden = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4])
    yield Sample("a query without keys", (*three(2, S=4), hidden))
    yield Sample(
        "a query without keys, numbers",
        (*three(2, S=4), torch.zeros(3, 4, dtype=dtype).masked_fill(~hidden, -math.inf)),
    )
    lowest = torch.finfo(torch.float32).min
    yield Sample("the lowest number", (*three(2, S=4), torch.zeros(3, 4).masked_fill(~hidden, lowest)), smooth=False)
    for p in (0.3, 1.0):
        yield Sample(f"dropout {p}", (*three(2, 2), None, p))
        yield Sample(f"dropout {p}, mask", (*three(2), some(3, 5), p))
        yield Sample(f"dropout {p}, causal", (*three(), None, p, True))
    yield from _blocks(x, three, some)
    yield from _nothing(three)
    q, k, v = three(2)
    yield Sample("only the query has a gradient", (q, k.detach(), v.detach()))
    yield Sample("only the key has a gradient", (q.detach(), k, v.detach()))
    yield Sample("only the value has a gradient", (q.detach(), k.detach(), v))
    yield Sample("only the mask has a gradient", (q.detach(), k.detach(), v.detach(), x(3, 5)))


def _blocks(x: Callable[..., Tensor], three: Callable[..., tuple], some: Callable[..., Tensor]) -> Iterator[Sample]:
    # more keys than a block has, and more queries
    yield Sample("blocks", three(2, L=3, S=300))
    yield Sample("blocks, numbers", (*three(2, L=2, S=300), x(2, 2, 300)))
    yield Sample("blocks, one number a query", (*three(2, L=2, S=300), x(2, 1).detach()))
    yield Sample("blocks, booleans", (*three(2, L=2, S=300), some(2, 300)))
    yield Sample("blocks, dropout", (*three(L=2, S=300), None, 0.3))
    yield Sample("blocks, causal", three(8, L=260, S=260, E=2), {"is_causal": True}, finite_only=_UNSEEN)
    yield Sample("blocks, causal, more keys", three(L=140, S=300, E=2), {"is_causal": True}, finite_only=_UNSEEN)
    yield Sample("blocks, causal, more queries", three(L=300, S=140, E=2), {"is_causal": True}, finite_only=_UNSEEN)
    # more scores than a tile has: some heads at a time, of all members of the batch, of each, or one by one
    yield Sample("groups of heads in turn", (*three(6, 20, L=60, S=75, E=2), x(20, 1, 75)))
    yield Sample("members of the batch in turn", (*three(2, 6, L=220, S=200, E=2), x(2, 1, 1, 200)))
    yield Sample("members of the batch in turn, one mask", (*three(2, 6, L=220, S=200, E=2), x(6, 1, 200)))
    yield Sample("heads in turn", (*three(2, L=1100, S=250, E=2), x(250)))


def _nothing(three: Callable[..., tuple]) -> Iterator[Sample]:
    for name, sizes in {"keys": {"S": 0}, "queries": {"L": 0}, "values": {"Ev": 0}}.items():
        yield Sample(f"no {name}", three(2, **sizes))
        yield Sample(f"no {name}, mask", (*three(2, **sizes), torch.ones(1, 1, dtype=torch.bool)))
    yield Sample("no queries, a mask for three", (*three(2, L=0), torch.ones(3, 5, dtype=torch.bool)))
    yield Sample("no features", three(2, E=0))
    yield Sample("no heads", three(2, 0))


def refused(part: str) -> Iterator[Sample]:
    """Shapes and dtypes that do not fit, a mask beside a mask, what is no probability, and nested tensors."""
    one = torch.ones
    q, k = one(2, 3, 4), one(2, 5, 4)
    yield Sample("a vector", (one(4), one(4), one(4)))
    yield Sample("dtypes", (q, k.double(), k))
    yield Sample("integers", (q.long(), k.long(), k.long()))
    yield Sample("complex numbers", (q + 0j, k + 0j, k + 0j))
    yield Sample("features", (q, one(2, 5, 3), k))
    yield Sample("keys and values", (one(3, 4), one(5, 4), one(6, 4)))
    yield Sample("heads", (one(1, 4, 3, 4), one(1, 2, 5, 4), one(1, 2, 5, 4)))
    yield Sample("groups of heads", (one(1, 4, 3, 4), one(1, 3, 5, 4), one(1, 3, 5, 4)), {"enable_gqa": True})
    yield Sample("groups of no heads", (q[0], k[0], k[0]), {"enable_gqa": True})
    yield Sample("two masks", (q, k, k, one(3, 5, dtype=torch.bool), 0.0, True))
    yield Sample("mask, dtype", (q, k, k, one(3, 5, dtype=torch.int64)))
    yield Sample("mask, double", (q, k, k, one(3, 5, dtype=torch.float64)))
    yield Sample("mask, shape", (q, k, k, one(3, 4)))
    yield Sample("mask, more axes", (one(1, 2, 3, 4), one(1, 2, 5, 4), one(1, 2, 5, 4), one(2, 1, 2, 3, 5)))
    yield Sample("more than all", (q, k, k, None, 1.5))
    yield Sample("less than nothing", (q, k, k, None, -0.5))


def _self_attention(*shape: int) -> Callable[[], tuple]:
    return lambda: tuple(torch.randn(shape) for _ in range(3))


def _case(network: str, *shape: int, causal: bool = True) -> Case:
    return Case("scaled_dot_product_attention", network, _self_attention(*shape), kwargs={"is_causal": causal})


BENCH = (
    _case("GPT, characters", 12, 4, 64, 32),
    _case("GPT, T 128, width 128", 4, 4, 128, 32),
    _case("GPT-2 small, T 128", 4, 12, 128, 64),
    _case("GPT, T 1024, width 128", 1, 4, 1024, 32),
    _case("GPT-2 small, T 1024", 1, 12, 1024, 64),
    _case("GPT-2 small, T 1024, 48 heads", 4, 12, 1024, 64),
    _case("GPT-2 small, T 2048", 1, 12, 2048, 64),
    _case("ViT-B/16", 2, 12, 197, 64, causal=False),
    # positions are learned: the mask has a gradient, for which all windows are added
    Case(
        "scaled_dot_product_attention",
        "Swin-T, 7×7",
        lambda: (*_self_attention(64, 3, 49, 32)(), torch.randn(1, 3, 49, 49)),
    ),
)
