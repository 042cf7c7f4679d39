"""Positions: what the checks cannot say, and each law seen to fail."""

import re

import pytest
import torch

import conceptlab as cl
from conceptlab import nn
from conceptlab.core import registry
from conceptlab.nn import functional as F
from conceptlab.verify import verify

SINUSOIDAL, LEARNED, ROTARY = (
    registry.parts[name].torch for name in ("sinusoidal_positions", "learned_positions", "rotary")
)


def without_base(positions, dim, base=10000.0, interleaved=True, dtype=None):
    return SINUSOIDAL(positions, dim, 1000.0, interleaved, dtype)


def slower_and_slower(positions, dim, base=10000.0, interleaved=True, dtype=None):
    return SINUSOIDAL(positions.double().sqrt(), dim, base, interleaved, dtype)


def always_interleaved(positions, dim, base=10000.0, interleaved=True, dtype=None):
    return SINUSOIDAL(positions, dim, base, True, dtype)


def rounded_times(positions, dim, base=10000.0, interleaved=True, dtype=None):
    return SINUSOIDAL(positions.to(dtype).double(), dim, base, interleaved, dtype)


def one_too_far(positions, weight):
    return LEARNED((positions + 1) % len(weight), weight)


def sheared(input, positions=0, base=10000.0, interleaved=True, dim=None):
    return ROTARY(input, positions, base, interleaved, dim) + 0.1 * input


def ever_faster(input, positions=0, base=10000.0, interleaved=True, dim=None):
    squares = torch.arange(positions, positions + input.shape[-2]) ** 2
    return ROTARY(input, squares, base, interleaved, dim)


def backwards(input, positions=0, base=10000.0, interleaved=True, dim=None):
    return ROTARY(input, -torch.arange(positions, positions + input.shape[-2]), base, interleaved, dim)


def always_neighbours(input, positions=0, base=10000.0, interleaved=True, dim=None):
    return ROTARY(input, positions, base, True, dim)


def all_of_it(input, positions=0, base=10000.0, interleaved=True, dim=None):
    return ROTARY(input, positions, base, interleaved)


def rounded_positions(input, positions=0, base=10000.0, interleaved=True, dim=None):
    rounded = torch.arange(positions, positions + input.shape[-2]).to(input.dtype)
    return ROTARY(input, rounded.double(), base, interleaved, dim)


class Slower(nn.SinusoidalPositions):
    def forward(self, input, positions=0):
        return super().forward(input, positions) + self.ops.sinusoidal_positions(torch.tensor(1.0), self.dim)


class FromTheStart(nn.SinusoidalPositions):
    def forward(self, input, positions=0):
        return super().forward(input)


class LearnedFromTheStart(nn.LearnedPositions):
    def forward(self, input, positions=0):
        return super().forward(input)


class Shuffled(nn.LearnedPositions):
    def forward(self, input, positions=0):
        return input + self.weight.flip(0)[positions : positions + input.shape[-2]]


class RotaryFromTheStart(nn.RotaryPositions):
    def forward(self, input, positions=0):
        return super().forward(input)


class Backwards(nn.RotaryPositions):
    def forward(self, input, positions=0):
        start = positions if isinstance(positions, int) else positions[0]
        return super().forward(input, -torch.arange(input.shape[-2]) - start)


MUTANTS = {
    ("sinusoidal_positions", "published_vectors"): without_base,
    ("sinusoidal_positions", "shift_is_a_rotation"): slower_and_slower,
    ("sinusoidal_positions", "sines_before_cosines"): always_interleaved,
    ("sinusoidal_positions", "positions_apart"): rounded_times,
    ("learned_positions", "rows_of_the_table"): one_too_far,
    ("rotary", "norm_kept"): sheared,
    ("rotary", "relative_shift"): ever_faster,
    ("rotary", "published_matrix"): backwards,
    ("rotary", "halves_are_pairs"): always_neighbours,
    ("rotary", "rest_kept"): all_of_it,
    ("rotary", "turned_apart"): rounded_positions,
    ("SinusoidalPositions", "added_vectors"): Slower,
    ("SinusoidalPositions", "continued"): FromTheStart,
    ("LearnedPositions", "added_rows"): Shuffled,
    ("LearnedPositions", "continued"): LearnedFromTheStart,
    ("RotaryPositions", "scores_of_distance"): Backwards,
    ("RotaryPositions", "continued"): RotaryFromTheStart,
}


def test_every_law_has_a_mutant():
    laws = registry.samples("positions").LAWS
    assert {(part, law.__name__) for part, listed in laws.items() for law in listed} == MUTANTS.keys()


@pytest.mark.parametrize(("part", "law"), MUTANTS, ids=["-".join(pair) for pair in MUTANTS])
def test_a_law_fails_where_it_is_broken(part, law):
    (result,) = verify(MUTANTS[part, law], like=part, only=[law]).results
    assert result.status == "failed"
    assert law in result.failures[0]  # it is the law that fails, and not the call


@pytest.mark.parametrize("part", registry.samples("positions").LAWS)
def test_what_stands_in_torchs_place_obeys_the_laws(part):
    laws = [law.__name__ for law in registry.samples("positions").LAWS[part]]
    assert verify(registry.parts[part].torch, like=part, only=laws).passed


@pytest.mark.parametrize("part", ["rotary", "RotaryPositions"])
def test_torch_has_none_and_no_tier_builtin(part):
    expected = re.escape(f"parts.{part}: expected a tier that it has, received 'builtin'. Its tiers: handmade, naive.")
    with pytest.raises(NotImplementedError, match=expected):
        cl.Parts({part: "builtin"})
    with pytest.raises(NotImplementedError, match=r"parts\.positions"):
        cl.Parts({"positions": "builtin"})
    with pytest.raises(NotImplementedError, match=r"tier='builtin'.*Tiers that can: handmade, naive"):
        F.rotary(torch.ones(2, 4), tier="builtin")
    with pytest.raises(NotImplementedError, match=r"LearnedPositions\(tier='builtin'.*Tiers that can"):
        nn.LearnedPositions(3, 4, tier="builtin")


def test_by_default_what_torch_lacks_is_skipped_in_words():
    model = nn.Sequential(nn.RotaryPositions(4), nn.ReLU())
    report = cl.swap(model, "builtin")
    assert [(skipped.part, skipped.reason) for skipped in report.skipped] == [
        ("RotaryPositions", "it has no tier 'builtin' (only handmade, naive)")
    ]
    assert (model[0].tier, type(model[1])) == ("handmade", torch.nn.ReLU)
    cl.swap(model, "naive")
    assert model[0].tier == "naive"


class Mine(nn.RotaryPositions):
    """Somebody's own, without a constructor."""


class Built(torch.nn.Module):
    """Somebody's own, with one."""

    def __init__(self, dim, base=10000.0, interleaved=True):
        super().__init__()
        self.dim, self.base, self.interleaved = dim, base, interleaved

    def forward(self, input, positions=0):
        return F.rotary(input, positions, self.base, self.interleaved, self.dim)


@pytest.mark.parametrize(
    ("own", "way"), [(Mine, "class"), (Built, "built anew; attributes set on the old one are lost")]
)
def test_somebodys_own_is_verified_and_takes_its_place(own, way):
    assert verify(own, like="RotaryPositions", only=["behaviour", "constructed", "continued", "signature"]).passed
    model = nn.Sequential(nn.RotaryPositions(4, base=100.0))
    before = model(torch.ones(3, 4))
    report = cl.swap(model, {"RotaryPositions": own})
    assert [swapped.way for swapped in report.swapped] == [way]
    assert torch.equal(model(torch.ones(3, 4)), before)


def test_a_wrong_value_is_shown_beside_the_definitions():
    (result,) = verify(backwards, like="rotary", only=["values"]).results
    assert "import conceptlab.concepts.positions.naive" in result.code
    assert "expected = call(conceptlab.concepts.positions.naive.rotary)" in result.code


def test_a_mistake_in_a_law_can_be_run_again():
    (result,) = verify(backwards, like="rotary", only=["published_matrix"]).results
    assert 'rerun("published_matrix", backwards, like="rotary"' in result.code


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_a_sequence_beyond_the_table_is_refused_in_words(tier):
    layer = nn.LearnedPositions(5, 4, tier=tier)
    layer(torch.ones(2, 5, 4))
    with pytest.raises(IndexError, match=r"positions from 0 to 4, .*received those from 0 to 5\. Cut the sequence"):
        layer(torch.ones(2, 6, 4))
    with pytest.raises(IndexError, match="received those from 3 to 5"):
        layer(torch.ones(2, 3, 4), positions=3)
    with pytest.raises(IndexError, match="received those from -1 to 1"):
        layer(torch.ones(2, 3, 4), positions=-1)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", ["SinusoidalPositions", "RotaryPositions"])
def test_an_odd_width_is_refused_when_the_layer_is_built(name, tier):
    with pytest.raises(ValueError, match=rf"{name}: expected an even dim, received 3"):
        getattr(nn, name)(3, tier=tier)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", ["SinusoidalPositions", "RotaryPositions", "LearnedPositions"])
def test_vectors_of_another_width_and_positions_of_another_shape_are_refused(name, tier):
    layer = nn.LearnedPositions(5, 4, tier=tier) if name == "LearnedPositions" else getattr(nn, name)(4, tier=tier)
    with pytest.raises((RuntimeError, ValueError), match=name if name != "RotaryPositions" else "rotary"):
        layer(torch.ones(2, 5, 1))
    with pytest.raises(RuntimeError, match="broadcast against"):
        layer(torch.ones(5, 4), torch.zeros(2, 5, dtype=torch.int64))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once_and_long_texts_keep_their_positions(dtype):
    x = torch.randn(2, 3, 4, dtype=dtype)
    for layer in (nn.SinusoidalPositions(4), nn.RotaryPositions(4)):
        exact = layer(x.double(), positions=3001)
        assert torch.equal(layer(x, positions=3001), layer(x.float(), positions=3001).to(dtype))
        torch.testing.assert_close(layer(x, positions=3001).double(), exact, rtol=torch.finfo(dtype).eps, atol=2e-2)


def test_gradients_by_positions_are_rounded_once():
    def gradient(dtype):
        x, positions, g = (t.to(dtype) for t in (X, P, G))
        return torch.autograd.grad(F.rotary(x, positions.requires_grad_()), positions, g)[0]

    X, P, G = (torch.randn(shape).bfloat16() for shape in ((6, 9, 4), (9,), (6, 9, 4)))
    torch.testing.assert_close(gradient(torch.bfloat16), gradient(torch.float32).bfloat16(), rtol=0, atol=0)


def test_a_model_in_half_precision_has_the_frequencies_it_had():
    """There is no buffer that `to` could round, and none that `to_empty` would leave empty."""
    x = torch.randn(1, 9, 8)
    rotary = nn.RotaryPositions(8)
    expected = rotary(x, 1000)
    assert torch.equal(rotary.to(torch.bfloat16)(x, 1000), expected)
    with torch.device("meta"):
        rotary = nn.RotaryPositions(8)
    assert torch.equal(rotary.to_empty(device="cpu")(x, 1000), expected)
    assert rotary.state_dict() == {}


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_positions_of_another_precision_are_rounded_first(tier):
    x, positions = torch.randn(5, 4), torch.rand(5, dtype=torch.float64) * 1000
    assert torch.equal(F.rotary(x, positions, tier=tier), F.rotary(x, positions.float(), tier=tier))


def test_neighbours_that_cannot_be_read_as_complex_numbers_are_turned_all_the_same():
    x = torch.randn(21)[1:].view(5, 4)
    torch.testing.assert_close(F.rotary(x), F.rotary(x.clone()))
    x = torch.randn(5, 6)[:, :5]  # its neighbours can, and those of a result of its own shape cannot
    torch.testing.assert_close(F.rotary(x, dim=4), F.rotary(x.clone(), dim=4))


def test_complex_numbers_are_refused_in_words():
    with pytest.raises(NotImplementedError, match=r"rotary by hand: expected real numbers, received torch\.complex64"):
        F.rotary(torch.ones(5, 4, dtype=torch.complex64))


@pytest.mark.skipif(torch.__version__ < "2.14", reason="there the results of compiled rules are views")
def test_compiled_results_may_be_written_to():
    def twice(x):
        return F.rotary(x).mul_(2)

    x = torch.randn(5, 4, requires_grad=True)
    compiled = torch.compile(twice, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(compiled, twice(x))


def test_the_input_is_kept_only_where_positions_are_real_numbers():
    x = torch.randn(5, 4, requires_grad=True)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.shape) or t, lambda t: t):
        F.rotary(x)
    assert x.shape not in saved


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_rotary_is_that_of_transformers(tier):
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    config = llama.LlamaConfig(hidden_size=32, num_attention_heads=4, max_position_embeddings=64)
    q, k = torch.randn(2, 2, 4, 9, 8)
    positions = torch.stack((torch.arange(9), torch.arange(20, 29)))
    cos, sin = llama.LlamaRotaryEmbedding(config)(q, positions)
    expected = llama.apply_rotary_pos_emb(q, k, cos, sin)
    received = [F.rotary(x, positions.unsqueeze(1), interleaved=False, tier=tier) for x in (q, k)]
    torch.testing.assert_close(received, list(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_interleaved_rotary_is_that_of_transformers(tier):
    gptj = pytest.importorskip("transformers.models.gptj.modeling_gptj")
    x, positions = torch.randn(2, 9, 4, 8), torch.arange(9)
    sin, cos = gptj.create_sinusoidal_positions(9, 6).chunk(2, dim=-1)
    expected = gptj.apply_rotary_pos_emb(x[..., :6], sin[None], cos[None])
    received = F.rotary(x, positions.unsqueeze(1), dim=6, tier=tier)
    torch.testing.assert_close(received, torch.cat((expected, x[..., 6:]), -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("interleaved", [True, False])
def test_forward_mode_by_vectors_and_positions(interleaved):
    generator = torch.Generator().manual_seed(0)
    x, x_tangent = torch.randn(2, 2, 5, 6, generator=generator, dtype=torch.float64)
    positions, positions_tangent = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    tangents = [
        torch.func.jvp(
            lambda x, p, tier=tier: F.rotary(x, p, 100.0, interleaved, 4, tier=tier),
            (x, positions),
            (x_tangent, positions_tangent),
        )[1]
        for tier in ("handmade", "naive")
    ]
    torch.testing.assert_close(*tangents)
