"""What the contract cannot say of recurrence: packed sequences of any lengths, and weights that come in a list."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

import conceptlab as cl
from conceptlab import nn
from conceptlab.core import registry

LAYERS = ("RNN", "LSTM", "GRU")
FUNCTIONS = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
D, H = 3, 2


def numbers(output):
    """The tensors of a result."""
    if isinstance(output, PackedSequence):
        return [output.data]
    return [output] if isinstance(output, torch.Tensor) else [t for each in output for t in numbers(each)]


def twins(name, tier, **options):
    """torch's layer and ours, with the same weights, in float64."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(D, H, dtype=torch.float64, **options)
    ours = getattr(nn, name)(D, H, dtype=torch.float64, **options, tier=tier)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def of_list(part, tier, *, steps=3, batch=2, bias=True, projection=0):
    """A function of all tensors that a call takes, and random ones: input, states, weights."""
    gates, width = FUNCTIONS[part], projection or H
    shapes = [(steps, batch, D), (1, batch, width), *([(1, batch, H)] if part == "lstm" else [])]
    count = len(shapes) - 1
    shapes += [(gates * H, D), (gates * H, width), *([(gates * H,)] * 2 if bias else [])]
    shapes += [(projection, H)] if projection else []
    torch.manual_seed(0)
    tensors = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    function = registry.parts[part].tiers[tier]

    def call(x, *rest):
        states, weights = rest[:count], list(rest[count:])
        hx = states if part == "lstm" else states[0]
        return function(x, hx, weights, bias, 1, 0.0, True, False, False)

    return call, tensors


@pytest.mark.parametrize("tier", ["naive", "handmade"])
@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=8, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4), sorted_first=st.booleans(), given_state=st.booleans()
)
def test_packed_sequences_of_any_lengths(name, tier, lengths, sorted_first, given_state):
    lengths = sorted(lengths, reverse=True) if sorted_first else lengths
    ours, theirs = twins(name, tier, num_layers=2, bidirectional=True)
    sequences = [torch.randn(length, D, dtype=torch.float64, requires_grad=True) for length in lengths]
    state = torch.randn(4, len(lengths), H, dtype=torch.float64)
    hx = None if not given_state else (state, state.flip(0)) if name == "LSTM" else state
    upstream, found = None, []
    for layer in (theirs, ours):
        output, last = layer(pack_sequence(sequences, enforce_sorted=sorted_first), hx)
        values = numbers((output, last))
        upstream = upstream or [torch.randn_like(y) for y in values]
        grads = torch.autograd.grad(values, (*sequences, *layer.parameters()), upstream)
        found.append([*values, *grads, *(t for t in output[1:] if t is not None)])
    for expected, received in zip(*found, strict=True):
        torch.testing.assert_close(received, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_a_packed_sequence_is_what_it_is_alone(name):
    layer, _ = twins(name, "handmade", bidirectional=True)
    sequences = [torch.randn(length, D, dtype=torch.float64) for length in (2, 4, 1)]
    output, _ = layer(pack_sequence(sequences, enforce_sorted=False))
    padded, lengths = pad_packed_sequence(output)
    assert lengths.tolist() == [2, 4, 1]
    for number, sequence in enumerate(sequences):
        torch.testing.assert_close(padded[: len(sequence), number], layer(sequence)[0])


@pytest.mark.parametrize("name", [*LAYERS, *(f"{name}Cell" for name in LAYERS)])
def test_use_answers_torchs_layers(name):
    _, theirs = twins(name, "handmade")
    x = torch.randn(4, D, dtype=torch.float64)
    expected = theirs(x)
    with cl.use("handmade") as used:
        received = theirs(x)
    assert sum(count for part, count in used.counts.items() if part in registry.concepts["recurrence"].functions) == 1
    for a, b in zip(numbers(received), numbers(expected), strict=True):
        torch.testing.assert_close(a, b)


CALLS = [*((part, {}) for part in FUNCTIONS), ("gru", {"bias": False}), ("lstm", {"bias": False, "projection": 1})]
IDS = [f"{part}-{options}" for part, options in CALLS]


@pytest.mark.slow
@pytest.mark.parametrize(("part", "options"), CALLS, ids=IDS)
def test_derivatives_by_everything_that_comes_in_lists(part, options):
    call, tensors = of_list(part, "handmade", **options)
    assert torch.autograd.gradcheck(call, tensors, fast_mode=True, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, tensors, fast_mode=True, check_fwd_over_rev=True, check_rev_over_rev=True)


@pytest.mark.slow
@pytest.mark.parametrize(("part", "options"), CALLS, ids=IDS)
def test_forward_over_forward_and_vmap(part, options):
    call, tensors = of_list(part, "handmade", **options)
    x, *rest = (t.detach() for t in tensors)
    upstream = [torch.randn_like(y) for y in call(x, *rest)]

    def loss(*values):
        return torch.stack([(y * g).sum() for y, g in zip(call(*values), upstream, strict=True)]).sum()

    by = 3  # a matrix of weights
    forward = torch.func.jacfwd(torch.func.jacfwd(loss, by), by)(x, *rest)
    torch.testing.assert_close(forward, torch.func.hessian(loss, by)(x, *rest), atol=1e-10, rtol=1e-9)

    batch = torch.stack([x, x * 0.5, x.flip(0)])
    for a, b in zip(
        torch.vmap(lambda one: call(one, *rest))(batch),
        zip(*(call(one, *rest) for one in batch), strict=True),
        strict=True,
    ):
        torch.testing.assert_close(a, torch.stack(b))
    gradients = torch.vmap(torch.func.grad(lambda one: loss(one, *rest)))(batch)
    torch.testing.assert_close(gradients, torch.stack([torch.func.grad(loss)(one, *rest) for one in batch]))


@pytest.mark.slow
@pytest.mark.parametrize(("part", "options"), CALLS, ids=IDS)
def test_compiled_whole(part, options):
    call, tensors = of_list(part, "handmade", **options)
    expected = call(*tensors)
    torch.compiler.reset()
    received = torch.compile(call, fullgraph=True, backend="aot_eager")(*tensors)
    upstream = [torch.randn_like(y) for y in expected]
    for a, b in zip(received, expected, strict=True):
        torch.testing.assert_close(a, b)
    grads = [torch.autograd.grad(y, tensors, upstream) for y in (received, expected)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_compiles_whole_where_the_compiler_is_allowed_to(name):
    layer, _ = twins(name, "handmade", num_layers=2)
    x = torch.randn(3, 2, D, dtype=torch.float64)
    torch.compiler.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        received = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
    for a, b in zip(numbers(received), numbers(layer(x)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("part", FUNCTIONS)
def test_a_layer_is_one_node_of_the_graph(part):
    call, tensors = of_list(part, "handmade")
    seen, waiting = set(), [y.grad_fn for y in call(*tensors)]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    rules = [node.name() for node in seen if "Backward" in node.name() and node.name().startswith("_")]
    assert len(rules) == 1
    assert not any("Addmm" in node.name() or "Tanh" in node.name() for node in seen)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", LAYERS)
def test_half_precision_is_rounded_once_and_drops_the_same(name, dtype):
    torch.manual_seed(0)
    layer = getattr(nn, name)(D, 8, num_layers=2, dropout=0.5, dtype=dtype)
    exact = getattr(torch.nn, name)(D, 8, num_layers=2, dropout=0.5, dtype=torch.float64)
    exact.load_state_dict(layer.state_dict())
    x = torch.randn(6, 4, D, dtype=dtype)
    torch.manual_seed(1)
    received = numbers(layer(x))
    torch.manual_seed(1)
    expected = numbers(exact(x.double()))
    for a, b in zip(received, expected, strict=True):
        assert a.dtype == dtype
        # half a unit in the last place
        torch.testing.assert_close(a.double(), b, rtol=torch.finfo(dtype).eps * 0.51, atol=1e-5)


def test_weights_that_are_replaced_are_used():
    ours, theirs = twins("LSTM", "handmade")
    x = torch.randn(3, 2, D, dtype=torch.float64)
    for layer in (ours, theirs):
        layer.weight_hh_l0 = torch.nn.Parameter(torch.ones_like(layer.weight_hh_l0))
        layer.flatten_parameters()
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    other = {name: value * 2 for name, value in ours.named_parameters()}
    expected = torch.func.functional_call(theirs, other, (x,))
    torch.testing.assert_close(torch.func.functional_call(ours, other, (x,))[0], expected[0])


REFUSED = [
    pytest.param("LSTM", (torch.ones(2, 2, 2, 3),), ValueError, "Expected input to be 2D or 3D, got 4D", id="axes"),
    pytest.param("GRU", (torch.ones(2, 2, 3), torch.ones(2, 2)), RuntimeError, "hx .*3-D", id="state of a sequence"),
    pytest.param("RNN", (torch.ones(2, 3), torch.ones(1, 2, 2)), RuntimeError, "hx .*2-D", id="state of a batch"),
    pytest.param("LSTM", (torch.ones(2, 2, 3), (torch.ones(1, 2, 2), torch.ones(2, 2))), RuntimeError, "3-D", id="c"),
    pytest.param("GRU", (torch.ones(2, 2, 3), torch.ones(1, 3, 2)), RuntimeError, "Expected hidden size", id="batch"),
    pytest.param("RNN", (torch.ones(2, 2, 4),), RuntimeError, "input_size", id="features"),
    pytest.param("GRU", (torch.ones(0, 2, 3),), RuntimeError, "sequence length to be larger than 0", id="no steps"),
    pytest.param("LSTMCell", (torch.ones(2, 2, 3),), ValueError, "Expected input to be 1D or 2D", id="cell"),
    pytest.param("RNNCell", (torch.ones(2, 3), torch.ones(2, 2, 2)), ValueError, "Expected hidden to be", id="hidden"),
]


@pytest.mark.parametrize(("name", "args", "error", "words"), REFUSED)
def test_what_torchs_layers_refuse_is_refused(name, args, error, words):
    for layer in (getattr(nn, name)(D, H), getattr(torch.nn, name)(D, H)):
        with pytest.raises(error, match=words):
            layer(*args)


def test_other_refusals():
    cell = nn.RNNCell(D, H, nonlinearity="sine")
    with pytest.raises(RuntimeError, match="Unknown nonlinearity: sine"):
        cell(torch.ones(2, D))
    gru = registry.parts["gru"].tiers["handmade"]
    weights = [torch.ones(3 * H, D), torch.ones(3 * H, H)]
    none = torch.tensor([], dtype=torch.int64)
    with pytest.raises(NotImplementedError, match="one size or more"):
        gru(torch.ones(0, D), none, torch.ones(1, 0, H), weights, False, 1, 0.0, False, False)
    naive = registry.parts["gru"].tiers["naive"]
    with pytest.raises(RuntimeError, match="sequence length"):
        naive(torch.ones(0, 1, D), torch.ones(1, 1, H), weights, False, 1, 0.0, False, False, False)
    with pytest.raises(RuntimeError, match="incorrect number of RNN parameters"):
        naive(torch.ones(2, 1, D), torch.ones(1, 1, H), weights[:1], False, 1, 0.0, False, True, False)
