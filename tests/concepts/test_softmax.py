"""What the contract cannot say of softmax: the guessed axis, and what is refused."""

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core import registry
from conceptlab.nn import functional as ours


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("axes", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_guessed_axis(name, axes, tier):
    x = torch.randn((2, 3, 4, 5)[:axes])
    with pytest.warns(UserWarning, match=f"Implicit dimension choice for {name} has been deprecated") as warned:
        received = registry.parts[name].tiers[tier](x)
    assert warned[0].filename == __file__  # it points to the caller
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        expected = getattr(F, name)(x)
    torch.testing.assert_close(received, expected)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_refused(name):
    function = registry.parts[name].tiers["handmade"]
    with pytest.raises(NotImplementedError, match="not implemented"):
        function(torch.ones(2, 3).long(), 1)
    with pytest.raises(IndexError, match="Dimension out of range"):
        function(torch.ones(2, 3), 2)


def test_gumbel_softmax_of_integers_is_refused_in_words():
    with pytest.raises(RuntimeError, match=r"must be a floating point(?s:.)*logits\.float\(\)"):
        ours.gumbel_softmax(torch.arange(3))


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_softmax2d_refuses_vectors(tier):
    cls = registry.parts["Softmax2d"].tiers[tier]
    with pytest.raises(ValueError, match="3D or 4D"):
        cls(tier=tier)(torch.ones(2, 3))


@pytest.mark.parametrize(
    "call", [lambda x: ours.softmax(x), lambda x: ours.mse_loss(x, x[:1])], ids=["softmax", "mse_loss"]
)
def test_compiled_code_does_not_warn_and_stays_whole(call):
    x = torch.randn(3, 4)
    with pytest.warns(UserWarning, match="Implicit dimension|Using a target size"):
        expected = call(x)
    torch.testing.assert_close(torch.compile(call, fullgraph=True, backend="aot_eager")(x), expected)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_gumbel_softmax_draws_from_the_distribution(tier):
    """One of each row, exactly, and as often as its share says, within 5 sigma."""
    torch.manual_seed(0)
    shares, draws = torch.tensor([0.6, 0.3, 0.1]), 4000
    chosen = registry.parts["gumbel_softmax"].tiers[tier](shares.log().expand(draws, 3), tau=0.3, hard=True)
    assert set(chosen.unique().tolist()) == {0.0, 1.0}
    assert chosen.sum(1).eq(1).all()
    assert ((chosen.mean(0) - shares).abs() < 5 * (shares * (1 - shares) / draws).sqrt()).all()


@pytest.mark.parametrize("hard", [False, True])
def test_a_result_that_is_written_to_leaves_the_tangent_of_the_input_alone(hard):
    tangent = torch.randn(3, 4)
    before = tangent.clone()
    with torch.autograd.forward_ad.dual_level():
        x = torch.autograd.forward_ad.make_dual(torch.randn(3, 4), tangent)
        ours.gumbel_softmax(x, hard=hard).mul_(2)
        assert torch.equal(torch.autograd.forward_ad.unpack_dual(x).tangent, before)
