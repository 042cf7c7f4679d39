"""What the contract cannot say of the Transformer: what is inside, hints, hooks, and what is refused."""

import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import conceptlab as cl
from conceptlab.core import HeldFunction, Tiered, registry
from conceptlab.verify.closeness import check_same
from conceptlab.verify.target import tier_of

SMALL = {"dim_feedforward": 8, "dropout": 0.0}
CONTAINERS = (nn.ModuleList,)
pytestmark = pytest.mark.filterwarnings(
    "ignore:enable_nested_tensor is True", "ignore:The PyTorch API of nested tensors"
)


def transformer(module=nn, **settings):
    torch.manual_seed(0)
    return module.Transformer(4, 2, 1, 1, dtype=torch.float64, **SMALL, **settings)


def sequences(*shape):
    return torch.randn(2, *shape, 4, dtype=torch.float64).unbind()


def is_by_hand(model, tier):
    return all(getattr(m, "tier", None) == tier for m in model.modules() if not isinstance(m, CONTAINERS))


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_swap_exchanges_it_and_all_that_is_inside(tier):
    model, (src, tgt) = transformer(), sequences(3, 2)
    expected = model(src, tgt)
    report = cl.swap(model, tier, strict=True)
    assert is_by_hand(model, tier)
    assert repr(model.encoder.layers[0].activation) == f"<relu, {tier}>"
    assert "fused path" in str(report)
    received = model(src, tgt)
    check_same(received, expected, "value")
    built = transformer(cl.nn, tier=tier)
    assert is_by_hand(built, tier)
    built.load_state_dict(model.state_dict())
    check_same(built(src, tgt), received, "value", bound=0.0)
    report.undo()
    assert type(model) is nn.Transformer
    assert model.decoder.layers[0].activation is F.relu
    assert not any(isinstance(m, Tiered) for m in model.modules())


def test_builtin_layers_have_torchs_own_inside():
    layer = cl.nn.TransformerEncoderLayer(4, 2, tier="builtin")
    assert type(layer.linear1) is nn.Linear
    assert layer.activation is F.relu


def test_what_is_handed_over_stays_as_it_is():
    norm, activation = nn.LayerNorm(4), nn.ReLU()
    layer = cl.nn.TransformerEncoderLayer(4, 2, activation=activation, batch_first=True)
    assert layer.activation is activation
    assert not isinstance(activation, Tiered)
    own = cl.nn.TransformerEncoderLayer(4, 2, tier="naive", batch_first=True)
    of_torch = nn.TransformerEncoderLayer(4, 2, batch_first=True)
    first, second = cl.nn.TransformerEncoder(own, 1, norm), cl.nn.TransformerEncoder(of_torch, 1, norm)
    assert first.norm is norm
    assert type(norm) is nn.LayerNorm
    assert (first.layers[0].tier, second.layers[0].tier, second.layers[0].self_attn.tier) == (
        "naive",
        *["handmade"] * 2,
    )
    assert isinstance(second.layers[0].activation, HeldFunction)
    assert not isinstance(of_torch, Tiered)
    held = cl.nn.TransformerEncoderLayer(4, 2, activation=own.activation)
    assert held.activation is own.activation


@pytest.mark.parametrize("cls", registry.concepts["transformer"].classes, ids=lambda cls: cls.__name__)
def test_what_is_inside_is_what_the_page_says(cls):
    target = tier_of(registry.parts[cls.__name__], "handmade")
    module = target.built(next(iter(target.samples())))

    def named(name):
        page = next(c for c in registry.concepts.values() for cls in c.classes if cls.__name__ == name)
        (own,) = (cls for cls in page.classes if cls.__name__ == name)
        return {name}.union(*(named(each) for each in page.inside.get(own, ())))

    inside = {type(m).__name__ for m in module.modules() if isinstance(m, Tiered)}
    assert inside <= named(cls.__name__)
    assert set(registry.concepts["transformer"].inside[cls]) <= inside | {"LayerNorm"}


def test_a_tier_that_lacks_what_is_inside(monkeypatch):
    monkeypatch.delitem(vars(cl.core.namespace("nn", "naive")), "layer_norm")
    with pytest.raises(NotImplementedError, match="LayerNorm"):
        cl.nn.TransformerEncoderLayer(4, 2, tier="naive")


@pytest.mark.parametrize("hidden", ["causal", "booleans", "another", "of heads"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_causal_mask_is_told_by_its_look(hidden, batch_first):
    causal = nn.Transformer.generate_square_subsequent_mask(3, dtype=torch.float64)
    masks = {"causal": causal, "booleans": causal < 0, "another": causal.T, "of heads": causal.expand(10, 3, 3)}
    mask, is_causal = masks[hidden], hidden in ("causal", "booleans")
    told = []
    model, (src, tgt) = transformer(cl.nn, batch_first=batch_first), sequences(*((5, 3) if batch_first else (3, 5)))
    for stack in (model.encoder, model.decoder):
        attention = stack.layers[0].self_attn
        attention.register_forward_pre_hook(lambda m, a, k: told.append(k["is_causal"]), with_kwargs=True)
    received = model(src, tgt, src_mask=mask, tgt_mask=mask)
    assert told == [is_causal] * 2
    theirs = transformer(batch_first=batch_first)
    theirs.load_state_dict(model.state_dict())
    check_same(received, theirs(src, tgt, src_mask=mask, tgt_mask=mask), "value")
    model(src, tgt, src_mask=mask, tgt_mask=mask, src_is_causal=False, tgt_is_causal=False)
    assert told[2:] == [False] * 2


@pytest.mark.slow
def test_compiled_code_does_not_wait_for_the_mask():
    model, (src, tgt) = transformer(cl.nn), sequences(3, 2)
    mask = model.generate_square_subsequent_mask(3, dtype=torch.float64)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    check_same(compiled(src, tgt, tgt_mask=mask), model(src, tgt, tgt_mask=mask), "value", strides=False)


def test_hooks_run_where_torch_takes_its_fused_path():
    model, (src, _) = transformer(cl.nn, batch_first=True).eval(), sequences(2, 3)
    theirs = transformer(batch_first=True).eval()
    theirs.load_state_dict(model.state_dict())
    heard = []
    model.encoder.layers[0].linear1.register_forward_hook(lambda *_: heard.append(1))
    hidden = torch.tensor([[False, False, False], [False, False, True]])
    with torch.no_grad():
        received, expected = (m.encoder(src, src_key_padding_mask=hidden) for m in (model, theirs))
    assert heard == [1]
    check_same(received[~hidden], expected[~hidden], "value of words")  # torch's has no padding there any more


def test_nested_tensors_are_refused_in_words():
    model = transformer(cl.nn, batch_first=True)
    nested = torch.nested.nested_tensor([torch.ones(3, 4), torch.ones(2, 4)], dtype=torch.float64)
    padded = torch.ones(2, 3, 4, dtype=torch.float64)
    for call in (
        lambda: model(nested, padded),
        lambda: model.encoder(nested),
        lambda: model.encoder.layers[0](nested),
        lambda: model.decoder(padded, nested),
        lambda: model.decoder.layers[0](nested, padded),
    ):
        with pytest.raises(NotImplementedError, match=r"expected padded tensors, received a NestedTensor"):
            call()


@pytest.mark.parametrize("module", [nn, cl.nn], ids=["torch", "ours"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_sequences_that_do_not_fit(module, batch_first):
    model, (src, tgt) = transformer(module, batch_first=batch_first), sequences(3, 3)
    with pytest.raises(RuntimeError, match="the batch number of src and tgt"):
        model(src, tgt[:2] if batch_first else tgt[:, :2])
    for wrong in ((src[..., :3], tgt), (src, tgt[..., :3])):
        with pytest.raises(RuntimeError, match="the feature number of src and tgt"):
            model(*wrong)
    with pytest.raises(AssertionError, match="only bool and floating types"):
        model(src, tgt, src_mask=torch.ones(3, 3, dtype=torch.int64))


def test_it_is_saved_whole():
    model, (src, tgt) = transformer(cl.nn), sequences(3, 2)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)  # our own bytes, written two lines above
    assert is_by_hand(loaded, "handmade")
    check_same(loaded(src, tgt), model(src, tgt), "value", bound=0.0)
