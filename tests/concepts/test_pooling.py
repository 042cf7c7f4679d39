"""What pooling promises beyond one call: torch's many spellings, its errors, and pieces that change nothing."""

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core import registry


def function(name, tier="handmade"):
    return registry.parts[name].tiers[tier]


def images(rank, **options):
    return torch.randn(2, 3, *(6, 7, 5)[:rank], **options)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_spellings_of_max_pool(rank):
    x = images(rank)
    spellings = [getattr(torch, f"max_pool{rank}d"), getattr(F, f"max_pool{rank}d_with_indices")]
    spellings.append(
        torch.max_pool1d_with_indices if rank == 1 else getattr(torch._C._nn, f"max_pool{rank}d_with_indices")
    )
    for spelling in spellings:
        part, adapter = registry.spellings[spelling]
        ours = adapter(part.tiers["handmade"], x, 2, 1) if adapter else part.tiers["handmade"](x, 2, 1)
        torch.testing.assert_close(ours, spelling(x, 2, 1))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_spellings_of_adaptive_max_pool(rank):
    x = images(rank)
    home = torch if rank == 1 else torch._C._nn
    for spelling in (getattr(F, f"adaptive_max_pool{rank}d_with_indices"), getattr(home, f"adaptive_max_pool{rank}d")):
        part, adapter = registry.spellings[spelling]
        torch.testing.assert_close(adapter(part.tiers["handmade"], x, (4,) * rank), spelling(x, (4,) * rank))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_blocks_change_nothing(memory_format):
    x = torch.randn(9, 4, 120, 120, dtype=torch.float64).to(memory_format=memory_format).requires_grad_()
    results = []
    for pool in (F.max_pool2d, function("max_pool2d")):
        y, indices = pool(x, 3, 2, 1, return_indices=True)
        g = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
        results.append([y.detach(), indices, *torch.autograd.grad(y, x, g)])
        assert y.stride() == results[0][0].stride()
        assert indices.stride() == results[0][1].stride()
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(("name", "size"), [("avg_pool2d", 2), ("avg_pool2d", (3, 5)), ("adaptive_avg_pool2d", 4)])
def test_means_forward_over_reverse(name, size):
    x, tangent = images(2, dtype=torch.float64), images(2, dtype=torch.float64)
    results = []
    for pool in (getattr(F, name), function(name)):
        gradient = torch.func.grad(lambda x, pool=pool: pool(x, size).sin().sum())
        results.append(torch.func.jvp(gradient, (x,), (tangent,)))
    torch.testing.assert_close(*results)


REFUSED = [
    ("max_pool2d", images(2), (0,), "stride should not be zero"),
    ("max_pool2d", images(2), (3, 0), "stride should not be zero"),
    ("max_pool2d", images(2), (3, 1, 2), "pad should be at most half of kernel size"),
    ("max_pool2d", images(2), (3, 1, -1), "pad must be non-negative"),
    ("max_pool2d", images(2), ((2, 2, 2),), "must either be a single int, or a tuple of 2 ints"),
    ("max_pool2d", images(2), (9,), "Output size is too small"),
    ("max_pool2d", torch.ones(3, 3), (2,), "batch mode"),
    ("max_pool2d", torch.ones(2, 0, 4, 4), (2,), "optional 0 dim batch size"),
    ("avg_pool2d", images(2), (2, 2, 0, False, True, 0), "divisor must be not zero"),
    ("adaptive_avg_pool2d", images(2), (-1,), "must be greater than or equal to 0"),
    ("adaptive_avg_pool2d", images(2), ((1, 2, 3),), "output_size must be 2"),
    ("adaptive_max_pool2d", torch.ones(2, 0, 4, 4), (2,), "batch mode"),
]


@pytest.mark.parametrize(("name", "x", "arguments", "words"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_torch_refuses_is_refused(name, x, arguments, words):
    with pytest.raises(RuntimeError):
        getattr(F, name)(x, *arguments)
    with pytest.raises(RuntimeError, match=words):
        function(name)(x, *arguments)
    with pytest.raises(RuntimeError):
        function(name, "naive")(x, *arguments)


def test_other_refusals():
    for tier in ("naive", "handmade"):
        with pytest.raises(ValueError, match="Input dimension should be at least 3"):
            function("adaptive_avg_pool2d", tier)(torch.ones(3, 3), (2, 2))
    with pytest.raises(TypeError, match="output_size"):
        function("adaptive_avg_pool1d")(images(1), None)
    for name in ("avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"):
        with pytest.raises(NotImplementedError, match="not implemented for"):
            function(name)(images(2).to(torch.int32), 2)
    with pytest.raises(NotImplementedError, match="not implemented for"):
        function("max_pool2d")(images(2) > 0, 2)
