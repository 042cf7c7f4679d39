"""What the contract cannot say of losses: the ends of probabilities, classes out of bounds, dtypes."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses import FakeTensorMode

from conceptlab.core import registry

EACH_TIER = pytest.mark.parametrize("tier", ["naive", "handmade"])


def function(name, tier):
    return registry.parts[name].tiers[tier]


def handmade(name):
    return function(name, "handmade")


def test_binary_cross_entropy_at_the_ends():
    x = torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-30], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    results = []
    for function in (handmade("binary_cross_entropy"), F.binary_cross_entropy):
        loss = function(x, target, reduction="none")
        along = torch.func.jvp(lambda x, f=function: f(x, target), (x.detach(),), (torch.ones(5).double(),))
        results.append((loss, torch.autograd.grad(loss.sum(), x), along))
    torch.testing.assert_close(*results)


def test_binary_cross_entropy_refuses_what_is_no_probability():
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
        handmade("binary_cross_entropy")(torch.tensor([float("nan")]), torch.tensor([1.0]))


@EACH_TIER
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("target", [4, -1])
def test_class_out_of_bounds(name, target, tier):
    with pytest.raises(IndexError):
        function(name, tier)(torch.randn(2, 4), torch.tensor([0, target]))


@EACH_TIER
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_as_many_classes_as_samples(name, tier):
    with pytest.raises(ValueError, match="to match target batch_size"):
        getattr(F, name)(torch.randn(2, 4), torch.tensor([0]))
    with pytest.raises(ValueError, match="to match target batch_size"):
        function(name, tier)(torch.randn(2, 4), torch.tensor([0]))


@EACH_TIER
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"])
def test_different_sizes_warn(name, tier):
    x, target = torch.randn(3, 2), torch.randn(3, 1)
    with pytest.warns(UserWarning, match="different to the input size") as ours:
        received = function(name, tier)(x, target)
    with pytest.warns(UserWarning, match="different to the input size"):
        expected = getattr(F, name)(x, target)
    assert ours[0].filename == __file__
    torch.testing.assert_close(received, expected)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_dtype_of_mixed_precisions(name):
    x, target = torch.randn(3), torch.randn(3, dtype=torch.float64)
    assert handmade(name)(x, target).dtype == getattr(F, name)(x, target).dtype


@EACH_TIER
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weight_has_the_inputs_size(name, tier):
    with pytest.raises(ValueError, match="Weights and input"):
        function(name, tier)(torch.randn(3, 2), torch.randn(3, 2), weight=torch.ones(2))


@EACH_TIER
@pytest.mark.parametrize(("name", "kwargs"), [("smooth_l1_loss", {"beta": -1.0}), ("huber_loss", {"delta": 0.0})])
def test_limits(name, kwargs, tier):
    with pytest.raises(RuntimeError, match="does not support"):
        function(name, tier)(torch.randn(3), torch.randn(3), **kwargs)


@EACH_TIER
@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_a_yes_or_no_for_each(name, tier):
    with pytest.raises(ValueError, match="size"):
        function(name, tier)(torch.rand(3, 2), torch.rand(3))


@EACH_TIER
@pytest.mark.parametrize("old", [{"reduce": False}, {"size_average": False}, {"size_average": True}])
def test_the_old_arguments(old, tier):
    x, target = torch.randn(3, 2), torch.randn(3, 2)
    with pytest.warns(UserWarning, match="please use reduction="):
        received = function("mse_loss", tier)(x, target, **old)
    with pytest.warns(UserWarning, match="please use reduction="):
        expected = F.mse_loss(x, target, **old)
    torch.testing.assert_close(received, expected)


def test_binary_cross_entropy_under_autocast():
    x = torch.rand(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert handmade("binary_cross_entropy")(x.bfloat16(), x.bfloat16()).dtype is torch.float32


def test_binary_cross_entropy_under_autocast_on_cuda_is_refused_as_by_torch():
    before = torch.is_autocast_enabled("cuda")
    torch.set_autocast_enabled("cuda", True)  # not the context manager, which refuses CUDA where there is none
    try:
        with FakeTensorMode():
            x = torch.rand(3, device="cuda")
            for loss in (F.binary_cross_entropy, handmade("binary_cross_entropy")):
                with pytest.raises(RuntimeError, match="unsafe to autocast"):
                    loss(x, x)
    finally:
        torch.set_autocast_enabled("cuda", before)


@EACH_TIER
@pytest.mark.parametrize("reduction", [0, 1, 2], ids=["none", "mean", "sum"])
def test_the_spelling_that_counts_the_reductions(reduction, tier):
    spelling = torch.binary_cross_entropy_with_logits
    part, adapter = registry.spellings[spelling]
    arguments = torch.randn(4, 3), torch.rand(4, 3), torch.rand(3), torch.rand(3) * 2, reduction
    torch.testing.assert_close(adapter(part.tiers[tier], *arguments), spelling(*arguments))


@pytest.mark.parametrize("reduction", [0, 1, 2], ids=["none", "mean", "sum"])
@pytest.mark.parametrize("spelling", [torch.kl_div, torch.cosine_embedding_loss, torch.triplet_margin_loss])
@EACH_TIER
def test_the_other_spellings_that_count_the_reductions(spelling, reduction, tier):
    part, adapter = registry.spellings[spelling]
    last = {torch.cosine_embedding_loss: torch.tensor([1, -1, 1, -1]), torch.triplet_margin_loss: torch.randn(4, 3)}
    arguments = [torch.randn(4, 3), torch.rand(4, 3), *([last[spelling]] if spelling in last else [])]
    # torch.kl_div, unlike F.kl_div, does not warn of the mean
    received = adapter(part.tiers[tier], *arguments, reduction=reduction)
    torch.testing.assert_close(received, spelling(*arguments, reduction=reduction))


@EACH_TIER
def test_the_mean_of_a_divergence_warns(tier):
    x, target = torch.randn(3, 2), torch.rand(3, 2)
    with pytest.warns(UserWarning, match="'batchmean' d") as ours:
        function("kl_div", tier)(x, target)
    assert ours[0].filename == __file__


def test_dtypes_of_losses_of_vectors():
    dtypes = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
    target = torch.tensor([1, -1])
    for one, other in itertools.product(dtypes, dtypes):
        x, y = torch.ones(2, 3, dtype=one), torch.ones(2, 3, dtype=other)
        assert handmade("cosine_embedding_loss")(x, y, target).dtype is F.cosine_embedding_loss(x, y, target).dtype
        for triplet, swap in itertools.product(((x, x, y), (y, x, x)), (False, True)):
            expected = F.triplet_margin_loss(*triplet, swap=swap)
            assert handmade("triplet_margin_loss")(*triplet, swap=swap).dtype is expected.dtype, (one, other, swap)


def test_long_vectors_do_not_overflow():
    # the product of both squared lengths, which torch computes, is infinite in float32
    x = torch.tensor([[1e12, 1e12]])
    assert handmade("cosine_embedding_loss")(x, x, torch.tensor([1])) < 1e-6


REFUSED_BY_NAIVE = {
    "kl_div": (RuntimeError, (torch.ones(2, 3).long(), torch.ones(2, 3))),
    "cosine_embedding_loss": (RuntimeError, (torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 2))),
    "triplet_margin_loss": (RuntimeError, (torch.ones(2, 3), torch.ones(3), torch.ones(2, 3))),
}


@pytest.mark.parametrize("name", REFUSED_BY_NAIVE)
def test_definitions_refuse_what_does_not_fit(name):
    error, arguments = REFUSED_BY_NAIVE[name]
    with pytest.raises(error):
        function(name, "naive")(*arguments, reduction="sum")


def test_definitions_refuse_more():
    with pytest.raises(ValueError, match="margin must be greater"):
        function("triplet_margin_loss", "naive")(*[torch.ones(2, 3)] * 3, margin=0)
    with pytest.raises(RuntimeError, match="0D target tensor expects 1D"):
        function("cosine_embedding_loss", "naive")(torch.ones(2, 3), torch.ones(2, 3), torch.tensor(1))


class PassesNothingOn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return None


@pytest.mark.parametrize("name", ["binary_cross_entropy", "kl_div"])
def test_where_no_gradient_arrives_none_goes_on(name):
    x, y = (torch.full((3,), 0.5, requires_grad=True) for _ in range(2))
    loss = PassesNothingOn.apply(handmade(name)(x, y, reduction="none"))
    loss.sum().backward()
    assert x.grad is None
    assert y.grad is None
