"""What dropout promises beyond one call: the laws of its draws, and the mask's way through transforms."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core import registry

TIERS = ("naive", "handmade")
WHOLE = ("dropout1d", "dropout2d", "dropout3d")
SHAPES = {
    "dropout": (100, 100),
    "dropout1d": (100, 100, 3),
    "dropout2d": (100, 100, 2, 2),
    "dropout3d": (100, 100, 1, 2, 2),
}


def function(name, tier):
    return registry.parts[name].tiers[tier]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.75])
def test_each_value_is_dropped_or_rescaled_at_the_rate_p(name, tier, p):
    torch.manual_seed(3)
    x = torch.rand(SHAPES[name], dtype=torch.float64) + 1
    y = function(name, tier)(x, p)
    dropped = y == 0
    torch.testing.assert_close(y[~dropped], (x / (1 - p))[~dropped])
    if name in WHOLE:
        by_channel = dropped.flatten(2)
        assert torch.equal(by_channel.all(2), by_channel.any(2))
        dropped = by_channel.all(2)
    n = dropped.numel()
    assert abs(dropped.double().mean() - p) < 5 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name, tier):
    torch.manual_seed(3)
    x = torch.randn(1000, 1000)
    y = function(name, tier)(x, 0.3, True)
    assert abs(y.mean()) < 5 / 1000
    assert abs(y.var() - 1) < 0.01


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", SHAPES)
def test_the_mask_of_backward_is_that_of_forward(name, tier):
    x = torch.ones(SHAPES[name], requires_grad=True)
    y = function(name, tier)(x, 0.5)
    torch.manual_seed(99)
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert torch.equal(gradient, y.detach())


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("randomness", ["same", "different", "error"])
def test_vmap_draws_as_it_is_told(tier, randomness):
    x = torch.ones(4, 50)
    outcomes = []
    for dropout in (F.dropout, function("dropout", tier)):
        torch.manual_seed(0)
        try:
            outcomes.append(torch.vmap(dropout, randomness=randomness)(x))
        except RuntimeError as error:
            outcomes.append(str(error)[:60])
    ours, theirs = outcomes
    assert type(ours) is type(theirs)
    assert torch.equal(ours, theirs) if randomness != "error" else ours == theirs
    if randomness != "error":
        assert bool((ours == ours[0]).all()) == (randomness == "same")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", SHAPES)
def test_draws_follow_memory(name, tier):
    x = torch.rand(3, 4, 5, 6) + 1 if name != "dropout1d" else torch.rand(3, 4, 5) + 1
    for layout in (
        x.transpose(0, 2),
        x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x,
        x[:, ::2],
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            theirs = getattr(F, name)(layout, 0.5)
            torch.manual_seed(0)
            ours = function(name, tier)(layout, 0.5)
        assert ours.stride() == theirs.stride()
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", [*SHAPES, "alpha_dropout", "feature_alpha_dropout"])
def test_nothing_to_do_returns_the_input_itself(name, tier):
    x = torch.ones(SHAPES.get(name, (3, 4)))
    dropout = function(name, tier)
    assert dropout(x, 0.5, False) is x
    assert dropout(x, 0.0, True) is x


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", [*SHAPES, "alpha_dropout", "feature_alpha_dropout"])
@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_0_and_1_is_refused(name, tier, p):
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
        function(name, tier)(torch.ones(SHAPES.get(name, (3, 4))), p, True)


@pytest.mark.parametrize("tier", TIERS)
def test_inputs_of_other_ranks_warn_or_are_refused_as_by_torch(tier):
    with pytest.warns(UserWarning, match="dropout2d: Received a 2-D input"):
        function("dropout2d", tier)(torch.ones(3, 4))
    with pytest.warns(UserWarning, match="dropout2d: Received a 3D input"):
        function("dropout2d", tier)(torch.ones(3, 4, 5))
    with pytest.warns(UserWarning, match="dropout3d: Received a 3-D input"):
        function("dropout3d", tier)(torch.ones(3, 4, 5))
    with pytest.raises(RuntimeError, match="Expected 2D or 3D input"):
        function("dropout1d", tier)(torch.ones(3))
    with pytest.raises(RuntimeError, match="Feature dropout requires at least 2 dimensions"):
        function("feature_alpha_dropout", tier)(torch.ones(3), 0.5, True)


def test_whole_numbers_are_refused():
    with pytest.raises(RuntimeError, match="can't be cast"):
        function("dropout", "handmade")(torch.ones(3, dtype=torch.long))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 2, 2)])
@pytest.mark.parametrize("name", ["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"])
@pytest.mark.parametrize("inplace", ["", "_"])
def test_other_spellings_of_torch(tier, shape, name, inplace):
    spelling = getattr(torch, name + inplace)
    part, adapter = registry.spellings[spelling]
    implementation = part.tiers[tier]
    x = torch.randn(shape)
    inputs = x.clone(), x.clone()
    torch.manual_seed(0)
    theirs = spelling(inputs[0], 0.4, True)
    torch.manual_seed(0)
    ours = adapter(implementation, inputs[1], 0.4, True) if adapter else implementation(inputs[1], 0.4, True)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(inputs[1], inputs[0])
