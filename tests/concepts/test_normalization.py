"""What normalization promises beyond one call: mixed precision, running statistics in transforms, its errors."""

import math

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core import registry

TIERS = ("naive", "handmade")


def function(tier):
    return registry.parts["batch_norm"].tiers[tier]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("training", [True, False])
def test_half_precision_beside_float32_weights(dtype, training):
    torch.manual_seed(0)
    x, g = torch.randn(8, 3, 5), torch.randn(8, 3, 5).to(dtype)
    results = []
    for batch_norm in (F.batch_norm, function("handmade")):
        leaves = x.to(dtype).requires_grad_(), torch.rand(3).requires_grad_(), torch.rand(3).requires_grad_()
        with torch.no_grad():
            leaves[1].copy_(torch.tensor([0.5, 1.0, 2.0])), leaves[2].copy_(torch.tensor([0.1, 0.2, 0.3]))
        running = torch.zeros(3), torch.ones(3)
        y = batch_norm(leaves[0], *running, *leaves[1:], training)
        results.append([y.detach(), *torch.autograd.grad(y, leaves, g), *running])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.hessian])
def test_running_statistics_move_inside_of_a_transform(transform):
    x = torch.randn(4, 3, dtype=torch.float64)
    moved = []
    for batch_norm in (F.batch_norm, function("handmade")):
        running = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
        transform(lambda x, f=batch_norm, r=running: f(x, *r, training=True).pow(3).sum())(x)
        moved.append(running)
    torch.testing.assert_close(*moved)


def test_running_statistics_move_once_in_a_compiled_step():
    x, running = torch.randn(4, 3), (torch.zeros(3), torch.ones(3))
    torch.compile(function("handmade"), fullgraph=True, backend="aot_eager")(x, *running, training=True)
    torch.testing.assert_close(running[0], 0.1 * x.mean(0))
    torch.testing.assert_close(running[1], 0.9 + 0.1 * x.var(0))


def test_blocks_change_nothing():
    x = torch.randn(40, 3, 40, 40, dtype=torch.float64, requires_grad=True)
    g = torch.randn_like(x)
    results = []
    for batch_norm in (F.batch_norm, function("handmade")):
        y = batch_norm(x, None, None, training=True)
        results.append([y.detach(), *torch.autograd.grad(y, x, g)])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


def test_other_layouts_come_out_contiguous_as_torch_s():
    for x in (torch.randn(2, 5, 3).transpose(1, 2), torch.randn(2, 4, 5, 3).permute(0, 3, 2, 1)):
        for training in (True, False):
            arguments = x, torch.zeros(3), torch.ones(3), None, None, training
            assert function("handmade")(*arguments).stride() == F.batch_norm(*arguments).stride()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"input": torch.ones(1, 3), "training": True},
            ValueError,
            "Expected more than 1 value per channel when training",
        ),
        ({"eps": 0.0, "training": True}, ValueError, "eps must be positive during training"),
        ({"eps": -1.0}, ValueError, "eps must be non-negative"),
        ({"running_mean": None, "running_var": None}, RuntimeError, "must be defined in evaluation mode"),
        ({"running_var": None, "training": True}, ValueError, "either both be None or neither be None"),
        ({"running_mean": torch.zeros(4)}, RuntimeError, "running_mean should contain 3 elements not 4"),
        ({"weight": torch.ones(2)}, RuntimeError, "weight should contain 3 elements not 2"),
        ({"weight": torch.ones(3).double()}, RuntimeError, "mixed dtype"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_what_torch_refuses_is_refused_in_its_words(change, error, words):
    arguments = {"input": torch.ones(4, 3), "running_mean": torch.zeros(3), "running_var": torch.ones(3)} | change
    with pytest.raises(error):
        F.batch_norm(**arguments)
    with pytest.raises(error, match=words):
        function("handmade")(**arguments)
    with pytest.raises(error, match=r"batch_norm|size|shape"):
        function("naive")(**arguments)


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("batch_norm", {"running_mean": torch.zeros(4), "running_var": torch.ones(4)}),
        ("instance_norm", {"running_mean": torch.zeros(4), "running_var": torch.ones(4)}),
        ("group_norm", {"num_groups": 2}),
        ("layer_norm", {"normalized_shape": (4,)}),
    ],
)
def test_the_parameter_that_is_wrong_is_named(part, options):
    options = {**options, "weight": torch.ones(4), "bias": torch.zeros(4)}
    for norm in (getattr(F, part), registry.parts[part].tiers["handmade"]):
        for name, value in options.items():
            if isinstance(value, torch.Tensor):
                with pytest.raises(RuntimeError, match=f"{name} (should contain|to be )"):
                    norm(torch.randn(2, 4, 4), **{**options, name: torch.ones(3)})


def test_whole_numbers_are_refused():
    arguments = torch.ones(4, 3, dtype=torch.long), torch.zeros(3), torch.ones(3)
    for batch_norm in (F.batch_norm, function("handmade")):
        with pytest.raises(NotImplementedError, match="not implemented for"):
            batch_norm(*arguments)


def test_the_spelling_torch_batch_norm():
    part, adapter = registry.spellings[torch.batch_norm]
    x, w, b, running = torch.randn(4, 3), torch.rand(3), torch.rand(3), (torch.zeros(3), torch.ones(3))
    arguments = x, w, b, *running, False, 0.1, 1e-5, True
    torch.testing.assert_close(adapter(part.tiers["handmade"], *arguments), torch.batch_norm(*arguments))


def test_a_cumulative_average_over_the_batches():
    layer = registry.parts["BatchNorm1d"].tiers["handmade"](3, momentum=None, affine=False)
    batches = [torch.randn(5, 3) for _ in range(4)]
    for batch in batches:
        layer(batch)
    torch.testing.assert_close(layer.running_mean, torch.stack([batch.mean(0) for batch in batches]).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([batch.var(0) for batch in batches]).mean(0))


ROWS = {"layer_norm": 2, "rms_norm": 1}
"""Of rows, and how many parameters each has."""


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ROWS)
def test_rows_of_halves_beside_float32_weights(name, dtype):
    torch.manual_seed(0)
    x, g = torch.randn(6, 32).to(dtype), torch.randn(6, 32).to(dtype)
    parameters = [torch.rand(32) for _ in range(ROWS[name])]
    leaves = [t.float().requires_grad_() for t in (x, *parameters)]
    y = getattr(F, name)(leaves[0], (32,), *leaves[1:])
    expected = [t.detach() for t in (y, *torch.autograd.grad(y, leaves, g.float()))]
    for tier in TIERS:
        leaves = [t.clone().requires_grad_() for t in (x, *parameters)]
        y = registry.parts[name].tiers[tier](leaves[0], (32,), *leaves[1:])
        received = [y.detach(), *torch.autograd.grad(y, leaves, g)]
        assert [t.dtype for t in received] == [dtype, dtype, *[torch.float32] * len(parameters)]
        torch.testing.assert_close([t.to(r.dtype) for t, r in zip(expected, received, strict=True)], received)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", ROWS)
def test_rows_of_one_number(name, tier):
    x, weight = torch.randn(4, 1, dtype=torch.float64), torch.rand(1, dtype=torch.float64)
    torch.testing.assert_close(registry.parts[name].tiers[tier](x, (1,), weight), getattr(F, name)(x, (1,), weight))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_without_eps_rms_norm_takes_the_epsilon_of_what_it_computes_in(tier, dtype):
    x = torch.full((1, 4), 1e-4, dtype=dtype)
    torch.testing.assert_close(registry.parts["rms_norm"].tiers[tier](x, (4,)), F.rms_norm(x, (4,)))


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("weight_dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_rms_norm_takes_weights_of_any_dtype(weight_dtype):
    torch.manual_seed(0)
    x, weight = torch.randn(3, 4), torch.rand(4).mul(4).to(weight_dtype)
    for norm in registry.parts["rms_norm"].tiers.values():
        torch.testing.assert_close(norm(x, (4,), weight), F.rms_norm(x, (4,), weight))


def test_complex_numbers_are_refused_in_words():
    x = torch.ones(3, 4)
    for arguments in ((x.to(torch.complex64), (4,)), (x, (4,), torch.ones(4, dtype=torch.complex64))):
        with pytest.raises(NotImplementedError, match="rms_norm by hand: expected real numbers"):
            registry.parts["rms_norm"].tiers["handmade"](*arguments)


@pytest.mark.parametrize("name", ROWS)
def test_a_number_for_normalized_shape(name):
    with pytest.raises(TypeError, match="'normalized_shape' must be tuple of ints"):
        registry.parts[name].tiers["handmade"](torch.ones(3, 4), 4)


def third_derivatives(norm, leaves):
    """Of a random combination of the results, in random directions."""
    generator = torch.Generator().manual_seed(0)
    grads = (norm(*leaves),)
    for _ in range(3):
        combined = sum((g * torch.randn(g.shape, generator=generator, dtype=g.dtype)).sum() for g in grads)
        grads = torch.autograd.grad(combined, leaves, create_graph=True)
    return [g.detach() for g in grads]


@pytest.mark.parametrize("name", ROWS)
def test_third_derivatives_of_rows(name):
    # against the definition: torch's own layer_norm loses a term there
    leaves = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 6), *[(6,)] * ROWS[name])]
    by_definition, by_hand = (
        third_derivatives(lambda x, *parameters, f=f: f(x, (6,), *parameters).square(), leaves)
        for f in map(registry.parts[name].tiers.get, TIERS)
    )
    torch.testing.assert_close(by_hand, by_definition)


def test_the_spelling_torch_layer_norm():
    part, adapter = registry.spellings[torch.layer_norm]
    arguments = torch.randn(3, 4), (4,), torch.rand(4), torch.rand(4), 0.1, False
    torch.testing.assert_close(adapter(part.tiers["handmade"], *arguments), torch.layer_norm(*arguments))


GROUPED = {
    "group_norm": lambda norm, x, weight, bias: norm(x, 2, weight, bias),
    "instance_norm": lambda norm, x, weight, bias: norm(x, None, None, weight, bias),
}
"""Calls of those that normalize channels of one sample."""


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", GROUPED)
def test_groups_of_halves_beside_float32_weights(name, dtype):
    torch.manual_seed(0)
    x, g = torch.randn(3, 4, 6).to(dtype), torch.randn(3, 4, 6).to(dtype)
    parameters = torch.rand(4), torch.rand(4)
    leaves = [t.float().requires_grad_() for t in (x, *parameters)]
    y = GROUPED[name](getattr(F, name), *leaves)
    expected = [t.detach() for t in (y, *torch.autograd.grad(y, leaves, g.float()))]
    for tier in TIERS:
        leaves = [t.clone().requires_grad_() for t in (x, *parameters)]
        y = GROUPED[name](registry.parts[name].tiers[tier], *leaves)
        received = [y.detach(), *torch.autograd.grad(y, leaves, g)]
        assert [t.dtype for t in received] == [dtype, dtype, torch.float32, torch.float32]
        torch.testing.assert_close([t.to(r.dtype) for t, r in zip(expected, received, strict=True)], received)


BY_CHANNEL = GROUPED | {"batch_norm": lambda norm, x, weight, bias: norm(x, None, None, weight, bias, True)}


@pytest.mark.parametrize("name", BY_CHANNEL)
def test_third_derivatives_by_channel(name):
    # against the definition: torch has no third derivative of batch_norm and instance_norm
    leaves = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 4, 5), (4,), (4,))]
    by_definition, by_hand = (
        third_derivatives(lambda *arguments, f=f: BY_CHANNEL[name](f, *arguments).square(), leaves)
        for f in map(registry.parts[name].tiers.get, TIERS)
    )
    torch.testing.assert_close(by_hand, by_definition)


def test_the_bias_of_instances_alone_has_second_derivatives():
    # of which torch's own loses one
    x, bias = torch.randn(2, 3, 4), torch.randn(3, requires_grad=True)
    upstream = torch.randn(2, 3, 4, requires_grad=True)
    y = registry.parts["instance_norm"].tiers["handmade"](x, bias=bias)
    (first,) = torch.autograd.grad(y, bias, upstream, create_graph=True)
    torch.testing.assert_close(torch.autograd.grad(first[0], upstream)[0][:, 0], torch.ones(2, 4))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0)])
def test_what_is_empty_leaves_no_trace_in_running_statistics(tier, shape):
    running = torch.zeros(3), torch.ones(3)
    registry.parts["instance_norm"].tiers[tier](torch.empty(shape), *running, torch.ones(3), torch.zeros(3))
    torch.testing.assert_close(running, (torch.zeros(3), torch.ones(3)))


def test_the_spellings_torch_group_norm_and_torch_instance_norm():
    x, weight, bias, running = torch.randn(2, 4, 5), torch.rand(4), torch.rand(4), (torch.zeros(4), torch.ones(4))
    for spelling, arguments in (
        (torch.group_norm, (x, 2, weight, bias, 0.1, False)),
        (torch.instance_norm, (x, weight, bias, *running, False, 0.1, 1e-5, True)),
    ):
        part, adapter = registry.spellings[spelling]
        torch.testing.assert_close(adapter(part.tiers["handmade"], *arguments), spelling(*arguments))


@pytest.mark.parametrize(("layer", "shape"), [("InstanceNorm1d", (2, 3, 4)), ("InstanceNorm2d", (3, 4, 4))])
def test_an_instance_norm_of_another_number_of_channels(layer, shape):
    ours, theirs = registry.parts[layer].tiers["handmade"], registry.parts[layer].torch
    x = torch.randn(shape)
    for norm in (theirs(5, affine=True), ours(5, affine=True)):
        with pytest.raises(ValueError, match="to match num_features"):
            norm(x)
    results = []
    for norm in (theirs(5), ours(5)):
        with pytest.warns(UserWarning, match="does not match num_features") as said:
            results.append(norm(x))
        results.append(str(said[0].message))
    torch.testing.assert_close(results[2], results[0])
    assert results[3] == results[1]


@pytest.mark.parametrize("tier", TIERS)
def test_an_empty_input_has_no_responses_and_comes_back_itself(tier):
    x = torch.empty(0, 3, 4)
    assert registry.parts["local_response_norm"].tiers[tier](x, 2) is x


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("local_response_norm", lambda f, x: f(x, 3, 0.1)),
        *((f"normalize, {p}", lambda f, x, p=p: f(x, p)) for p in (2.0, 3.0, 1.0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_third_derivatives_of_others(name, call):
    part, leaves = registry.parts[name.split(",")[0]], [torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)]
    by_definition, by_hand = (
        third_derivatives(lambda x, f=f: call(f, x).square(), leaves) for f in map(part.tiers.get, TIERS)
    )
    torch.testing.assert_close(by_hand, by_definition)


@pytest.mark.parametrize("tier", TIERS)
def test_normalize_writes_into_out(tier):
    normalize, x = registry.parts["normalize"].tiers[tier], torch.randn(3, 4)
    x[1] = 0
    expected = F.normalize(x)
    for out in (torch.empty(3, 4), torch.empty(0), torch.empty(3, 4, dtype=torch.float16)):
        assert normalize(x, out=out) is out
        torch.testing.assert_close(out, expected.to(out.dtype))
    assert normalize(x, out=x) is x
    torch.testing.assert_close(x, expected)


@pytest.mark.parametrize(
    ("part", "options"), [("group_norm", (2,)), ("local_response_norm", (3, 0.5, 0.7)), ("normalize", (3.0,))]
)
def test_tangents_of_halves_are_rounded_once(part, options):
    norm, x, v = registry.parts[part].tiers["handmade"], torch.randn(2, 4, 64).half(), torch.randn(2, 4, 64).half()
    exact = torch.func.jvp(lambda x: norm(x, *options), (x.double(),), (v.double(),))[1].half()
    tangent = torch.func.jvp(lambda x: norm(x, *options), (x,), (v,))[1]
    assert (tangent != exact).sum() <= 2  # by chance, where the exact one lies in the middle between two halves


@pytest.mark.parametrize("tier", TIERS)
def test_a_group_of_one_value_is_its_own_mean(tier):
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    y = registry.parts["group_norm"].tiers[tier](x, 4, eps=1.0)
    assert y.abs().max() == 0
    assert torch.autograd.grad(y, x, torch.randn_like(y))[0].abs().max() < 1e-14


def test_refusals_say_which_norm_and_what_came():
    with pytest.raises(ValueError, match=r"local_response_norm: Expected 3D .*received shape \(2, 3\)"):
        registry.parts["local_response_norm"].tiers["handmade"](torch.randn(2, 3), 2)
    with pytest.raises(ZeroDivisionError, match="group_norm: division by zero: expected num_groups > 0"):
        registry.parts["group_norm"].tiers["handmade"](torch.randn(2, 4, 3), 0)


def test_normalize_tells_what_to_do_with_whole_numbers():
    with pytest.raises(RuntimeError, match=r"normalize: Expected a floating point .* for instance input\.float\(\)"):
        registry.parts["normalize"].tiers["handmade"](torch.ones(3, 4, dtype=torch.int64))


def test_normalize_under_autocast_writes_into_out_itself():
    x, out = torch.randn(3, 4, dtype=torch.bfloat16), torch.empty(3, 4, dtype=torch.bfloat16)
    policy = registry.concepts["normalization"].functions["normalize"].autocast
    assert policy(x) == {"cuda": "float32"}
    assert policy(x, out=out) is None
    assert policy(x, 2.0, 1, 1e-12, out) is None


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("p", [2.0, 0.5, math.inf])
def test_normalize_makes_a_sign_of_a_number(tier, p):
    x = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    y = registry.parts["normalize"].tiers[tier](x, p, dim=0)
    torch.testing.assert_close(y.detach(), F.normalize(x.detach(), p, dim=0))
    torch.testing.assert_close(torch.autograd.grad(y, x)[0], torch.zeros_like(x), rtol=0, atol=1e-12)


def test_normalize_by_hand_has_no_singular_values():
    with pytest.raises(NotImplementedError, match=r"normalize: the norm by hand: expected p as a number"):
        registry.parts["normalize"].tiers["handmade"](torch.randn(2, 3, 4), "nuc", (1, 2))


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("layer_norm", "weights of another dtype"),
        ("layer_norm", "integers"),
        ("rms_norm", "too many axes"),
        ("rms_norm", "integers"),
        ("instance_norm", "one value a channel"),
        ("local_response_norm", "matrix"),
    ],
)
def test_a_definition_refuses_what_torch_refuses(name, sample):
    refused = registry.samples("normalization").refused(name)
    (call,) = [one for one in refused if one.name == sample]
    part = registry.parts[name]
    with pytest.raises(Exception) as expected:  # noqa: PT011  (whatever it is)
        part.torch(*call.args, **call.kwargs)
    with pytest.raises(expected.type, match=name):
        part.tiers["naive"](*call.args, **call.kwargs)
