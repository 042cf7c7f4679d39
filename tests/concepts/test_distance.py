"""What the contract cannot say of distances: dtypes side by side, complex vectors, lengths that overflow."""

import itertools
import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from conceptlab.core import registry

EACH_TIER = pytest.mark.parametrize("tier", ["naive", "handmade"])
DTYPES = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.int64, torch.uint8, torch.bool, torch.complex64, torch.complex128),
)
SHAPES = (((3, 4), (3, 4)), ((), (3, 4)), ((3, 4), ()), ((), ()))


def function(name, tier="handmade"):
    return registry.parts[name].tiers[tier]


def outcome(call, *args, **kwargs):
    """The result's dtype and shape, or the type of the exception."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of torch's half-precision complex numbers
            result = call(*args, **kwargs)
    except Exception as error:
        return type(error)
    return result.dtype, result.shape


@pytest.mark.parametrize("name", ["pairwise_distance", "cosine_similarity"])
def test_dtypes_side_by_side(name):
    options = {"dim": -1} if name == "cosine_similarity" else {}
    for (one, other), shapes in itertools.product(itertools.product(DTYPES, DTYPES), SHAPES):
        x, y = (torch.ones(shape).to(dtype) for shape, dtype in zip(shapes, (one, other), strict=True))
        expected = outcome(getattr(F, name), x, y, **options)
        assert outcome(function(name), x, y, **options) == expected, (one, other, shapes)


@EACH_TIER
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0, math.inf, -math.inf])
def test_complex_vectors(p, tier):
    x, y = (torch.randn(3, 4, dtype=torch.complex128, requires_grad=True) for _ in range(2))
    g = torch.randn(3, dtype=torch.float64)
    results = []
    for call in (function("pairwise_distance", tier), F.pairwise_distance):
        value = call(x, y, p)
        results.append((value, torch.autograd.grad(value, (x, y), g, allow_unused=True)))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_derivatives_by_complex_vectors(p):
    x, y = (torch.randn(2, 3, dtype=torch.complex128, requires_grad=True) for _ in range(2))
    assert gradcheck(lambda *xs: function("pairwise_distance")(*xs, p), (x, y), check_forward_ad=True)
    assert gradgradcheck(lambda *xs: function("pairwise_distance")(*xs, p), (x, y))


def test_vectors_whose_length_overflows_have_torchs_similarity():
    # the square of 1e30 is infinite in float32, and the direction becomes 0
    x = torch.tensor([[1e30, 1e30]])
    assert function("cosine_similarity")(x, x) == F.cosine_similarity(x, x) == 0


def test_similarity_may_be_overwritten():
    x, y = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4)
    function("cosine_similarity")(x, y).mul_(2).sum().backward()
    received, x.grad = x.grad, None
    (2 * F.cosine_similarity(x, y)).sum().backward()
    torch.testing.assert_close(received, x.grad)


@pytest.mark.parametrize("eps", [-1.0, math.nan])
def test_naive_similarity_refuses_eps(eps):
    with pytest.raises(RuntimeError, match="eps must be non-negative"):
        function("cosine_similarity", "naive")(torch.ones(2, 3), torch.ones(2, 3), eps=eps)


def test_naive_similarity_of_whole_numbers():
    with pytest.raises(RuntimeError, match="floating point"):
        function("cosine_similarity", "naive")(torch.ones(2, 3).long(), torch.ones(2, 3).long())


@pytest.mark.parametrize("p", [math.inf, -math.inf, -1.0])
def test_naive_distance_without_numbers(p):
    with pytest.raises(RuntimeError, match="empty"):
        function("pairwise_distance", "naive")(torch.ones(2, 0), torch.ones(2, 0), p)


def test_second_derivatives_of_vectors_shorter_than_eps():
    """There the derivative of the length stays: torch clamps it behind the back of the graph."""
    short = torch.tensor([[3e-3, -4e-3], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    other = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    g, v = torch.randn(2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    results = []
    for call in (function("cosine_similarity"), F.cosine_similarity):
        first = torch.autograd.grad(call(short, other, eps=0.1), (short, other), g, create_graph=True)
        results.append(torch.autograd.grad(first, (short, other), (v, v)))
    torch.testing.assert_close(*results)
