"""Each check can fail: a small mistake that it is there for. And torch's own, verified as if by hand, passes."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conceptlab.core import Rule, registry, wide
from conceptlab.verify import suite
from conceptlab.verify.calls import gradients
from conceptlab.verify.suite import CHECKS, laws_of, layers
from conceptlab.verify.tally import NotApplicable, of_torch
from conceptlab.verify.target import Target, part_like, target

REAL = torch.autograd.Function


def swapped_arguments(dim, input, _stacklevel=3, dtype=None):
    return F.softmax(input, dim, dtype=dtype)


def another_default(input, p=0.4, training=True, inplace=False):
    return F.dropout(input, p, training, inplace)


class WritesUpstream(REAL):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.mul_(ctx.saved_tensors[0] > 0)


def writes_upstream(input, inplace=False):
    return WritesUpstream.apply(input)


def says_nothing(input, output_size, return_indices=False):
    try:
        return F.adaptive_max_pool1d(input, output_size, return_indices)
    except Exception as error:
        raise type(error)("no") from None


def half_right(input):
    return torch.sigmoid(input) * (1 + 1e-7)


def with_an_epsilon(input, inplace=False):
    return (input.square() + 1e-40).sqrt().add(input) / 2


def in_memory_order(input, inplace=False):
    # as memory has it: an expanded input has one row of it
    flat = input.as_strided((min(input.numel(), input.untyped_storage().nbytes() // input.element_size()),), (1,))
    return flat.clamp(min=0).mul(1).sum() * 0 + (
        flat[0] * 0 + input.clamp(min=0) * (1 + (flat.numel() < input.numel()))
    )


def kinked_at_zero(input, inplace=False):
    return torch.where(input >= 0, input, 0)


def refuses_no_samples(input, dim=None, _stacklevel=3, dtype=None):
    return F.softmax(input.reshape(len(input), -1).reshape(input.shape) if input.dim() else input, dim, dtype=dtype)


def without_conjugate(input, weight, bias=None):
    return Product.apply(input, weight) + (0 if bias is None else bias)


class Product(REAL):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight)

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        rows = g.reshape(-1, g.shape[-1]) if weight.dim() > 1 else g.reshape(-1, 1)
        weight_grad = (rows.mT @ x.reshape(-1, x.shape[-1])).reshape(weight.shape)
        return (rows @ weight.reshape(-1, weight.shape[-1])).reshape(x.shape), weight_grad


def draws_too_much(input, p=0.5, training=True, inplace=False):
    result = F.dropout(input, p, training, inplace)
    torch.rand(1)
    return result


def not_rescaled(input, p=0.5, training=True, inplace=False):
    return F.dropout(input, p, training, inplace) * (1 - p if training and p < 1 else 1)


def drops_the_other_share(input, p=0.5, training=True, inplace=False):
    if not training or p in (0, 1):
        return F.dropout(input, p, training, inplace)
    return input * (torch.rand_like(input) < p) / (1 - p)


class FreshMask(REAL):
    @staticmethod
    def forward(ctx, x, p):
        ctx.p = p
        return F.dropout(x, p)

    @staticmethod
    def backward(ctx, grad_output):
        return F.dropout(grad_output, ctx.p), None


def fresh_mask(input, p=0.5, training=True, inplace=False):
    return FreshMask.apply(input, p) if training else F.dropout(input, p, False, inplace)


class DoubledSlope(REAL):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return torch.tanh(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (1 - y.square()) * 2


def doubled_slope(input):
    return DoubledSlope.apply(input)


class WithoutSetup(REAL):
    """Right, but of the kind that ``torch.func`` refuses."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (1 - y * y)


def without_setup(input):
    return WithoutSetup.apply(input)


class SavedIntermediate(REAL):
    """Its backward takes the slope for a constant: right once, and wrong twice."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.slope = (1 - y * y).detach()
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.slope


def saved_intermediate(input):
    return SavedIntermediate.apply(input)


KEPT: list = []


def remembers_all(input, inplace=False):
    KEPT.append(input.detach().clone())
    return F.relu(input)


def remembers_the_last(input, inplace=False):
    KEPT[:] = [F.relu(input)]
    return KEPT[0] * 1


def saves_much(input):
    y = torch.tanh(input)
    for _ in range(4):
        y = (y * 2).square().sqrt() * y.sign() / 2
    return y


def counts_calls():
    calls = [0]

    def relu(input, inplace=False):
        calls[0] += 1
        return F.relu(input) * (calls[0] / calls[0])

    return relu


def wrong_when_compiled(input, inplace=False):
    return F.relu(input) * (1 + torch.compiler.is_compiling())


class Impure(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)


class BiasedOnce(nn.Linear):
    """Its first weights are not torch's."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        torch.rand(1)


class KeepsGraph(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        self.last = super().forward(input)
        return self.last * 1


class Renamed(nn.Linear):
    def __init__(self, n_in, n_out, bias=True, device=None, dtype=None):
        super().__init__(n_in, n_out, bias, device, dtype)


class _Halved(Rule):
    """Half of x; its tangent stays in the precision in which it was computed."""

    @staticmethod
    def forward(x):
        return x / 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output / 2

    @staticmethod
    def jvp(ctx, tangent):
        return wide(tangent) / 2


def with_wide_tangents(input, inplace=False):
    return _Halved.call(F.silu(input)) * 2


class _Viewed(Rule):
    """Itself, as a view of a copy, to which nothing may be written."""

    @staticmethod
    def forward(x):
        return x.clone().view(x.shape)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


def as_a_view(input, weight, bias=None):
    return _Viewed.call(F.linear(input, weight, bias))


LATE = {"inductor", "flat_memory", "compiled_once", "no_graph_kept"}
MUTANTS = [
    ("signature", "swapped-arguments", "softmax", swapped_arguments),
    ("signature", "another-default", "dropout", another_default),
    ("signature", "other-names-of-a-class", "Linear", Renamed),
    ("untouched", "upstream-gradient-written-to", "relu", writes_upstream),
    ("error_words", "message-without-a-word", "adaptive_max_pool1d", says_nothing),
    ("reference", "seven-digits", "sigmoid", half_right),
    ("tiny_inputs", "epsilon-that-is-larger", "relu", with_an_epsilon),
    ("expanded_inputs", "memory-order", "relu", in_memory_order),
    ("overwritten", "view-as-result", "linear", as_a_view),
    ("extremes", "slope-at-zero", "relu", kinked_at_zero),
    ("extremes", "no-samples", "softmax", refuses_no_samples),
    ("complex_numbers", "lost-conjugate", "linear", without_conjugate),
    ("random_stream", "one-draw-more", "dropout", draws_too_much),
    ("random_stream", "draw-after-construction", "Linear", BiasedOnce),
    ("law_of_the_draw", "not-rescaled", "dropout", not_rescaled),
    ("law_of_the_draw", "other-share", "dropout", drops_the_other_share),
    ("law_of_the_draw", "fresh-mask-in-backward", "dropout", fresh_mask),
    ("gradcheck", "doubled-slope", "tanh", doubled_slope),
    ("func_grad", "function-that-torch-func-refuses", "tanh", without_setup),
    ("gradgradcheck", "constant-slope", "tanh", saved_intermediate),
    ("no_graph_kept", "last-result-kept", "relu", remembers_the_last),
    ("no_graph_kept", "attribute-of-a-layer", "BatchNorm2d", KeepsGraph),
    ("saved_memory", "long-chain", "tanh", saves_much),
    ("flat_memory", "list-that-grows", "relu", remembers_all),
    ("compiled_once", "counter", "relu", counts_calls()),
    ("inductor", "wrong-when-compiled", "relu", wrong_when_compiled),
]


@pytest.mark.parametrize(
    ("check", "like", "wrong"),
    [
        pytest.param(c, like, f, id=f"{c}-catches-{what}", marks=pytest.mark.slow if c in LATE else ())
        for c, what, like, f in MUTANTS
    ],
)
def test_a_mistake_is_found(check, like, wrong):
    tally = getattr(suite, check)(target(wrong, like))
    KEPT.clear()
    assert tally.failures, f"{tally.passed} passed, {dict(tally.left_out)} did not apply"


def test_pure_catches_torchs_own():
    part = part_like("ReLU")
    assert layers.pure(Target(part, Impure)).failures


def test_a_chain_in_half_precision_is_found():
    """It rounds at every step, which the bound for everybody allows."""
    part = part_like("silu")
    chain = Target(part, lambda input, inplace=False: input / ((-input).exp() + 1), "handmade")
    assert not [failure for failure in suite.half_precision(chain).failures if "pooled" in failure.sample.name]
    assert [failure for failure in suite.rounded_once(chain).failures if "pooled" in failure.sample.name]
    suite.rounded_once(Target(part, part.torch, "handmade")).raise_if_failed()


def test_a_tangent_of_another_dtype_is_found():
    part = part_like("silu")
    assert "dtype of the tangent" in str(suite.half_tangents(Target(part, with_wide_tangents, "handmade")).failures[0])
    suite.half_tangents(Target(part, part.torch, "handmade")).raise_if_failed()


class WrongForward(Rule):
    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * 1

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 2


class OnceDifferentiable(WrongForward):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.detach()

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 1


class DetachedForward(WrongForward):
    @staticmethod
    def jvp(ctx, tangent):
        return tangent.detach()


class DetachedInBackward(WrongForward):
    @staticmethod
    def backward(ctx, grad_output):
        return DetachedForward.call(grad_output)

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 1


class TwiceDifferentiable(WrongForward):
    @staticmethod
    def backward(ctx, grad_output):
        return OnceDifferentiable.call(grad_output)

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 1


WRONG_RULES = [(WrongForward, "tangent"), (OnceDifferentiable, "forward over reverse")]
ORDERS = [
    (suite.forward_mode, WrongForward, "tangent"),
    (suite.mixed_modes, OnceDifferentiable, "forward over reverse"),
    (suite.mixed_modes, DetachedForward, "reverse over forward[1]"),
    (suite.mixed_thirds, DetachedInBackward, "reverse over forward over reverse"),
    (suite.third_derivatives, TwiceDifferentiable, "third derivative"),
]


@pytest.mark.parametrize(("check", "rule", "where"), ORDERS)
def test_each_mode_of_each_order_is_asked_by_itself(check, rule, where):
    part = part_like("silu")

    def wrong(input, inplace=False):
        return part.tiers["handmade"](rule.call(input))

    assert where in str(check(Target(part, wrong, "handmade")).failures[0])
    for one in (Target(part, part.tiers["handmade"], "handmade"), target(torch.tanh, "tanh")):
        right = check(one)
        right.raise_if_failed()
        assert right.passed > 1


def test_a_slip_of_a_check_is_no_refusal_of_torch():
    def trips():
        return torch.ones(1).no_such_method

    with pytest.raises(NotApplicable):
        of_torch(trips)
    with pytest.raises(AttributeError):
        of_torch(partial(gradients, None))


@pytest.mark.parametrize(("rule", "where"), WRONG_RULES)
def test_what_torch_cannot_derive_is_checked(rule, where):
    part = part_like("embedding_bag")

    def wrong(input, weight, *rest, **options):
        return part.tiers["handmade"](input, rule.call(weight), *rest, **options)

    assert where in str(suite.derivatives_beyond_torch(Target(part, wrong, "handmade")).failures[0])


NEW = [check for check in suite.OF_ANY_CALL if check not in suite.SLOW]
OF_TORCH = ["relu", "softmax", "conv2d", "batch_norm", "dropout", "cross_entropy", "max_pool2d", "layer_norm"]
OF_TORCH += ["Linear", "BatchNorm2d", "LSTM", "MultiheadAttention", "Dropout"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("check", [suite.signature, *NEW], ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", OF_TORCH)
def test_no_false_alarm(name, check):
    part = part_like(name)
    check(Target(part, part.torch)).raise_if_failed()


def test_every_check_says_what_it_means():
    laws = {check for part in registry.parts.values() for check in laws_of(Target(part, part.torch))}
    for check in {check for checks in CHECKS.values() for check in checks} | laws:
        assert (check.__doc__ or "").splitlines()[0].endswith("."), check.__name__


def test_a_class_of_a_function_is_copied_without_pickle():
    class Local(nn.Linear):
        pass

    layers.copied(target(Local, "Linear")).raise_if_failed()


def test_options_of_ones_own_are_no_other_signature():
    def relu(input, inplace=False, *, slope=0.0):
        return F.relu(input, inplace)

    assert suite.signature(target(relu, "relu")).passed == 1


def test_rounding_at_every_step_is_found_where_torch_does_it_too():
    part = part_like("huber_loss")
    whole = Target(part, part.tiers["handmade"], "handmade")
    suite.rounded_once(whole).raise_if_failed()
    assert suite.rounded_once(Target(part, part.torch, "handmade")).failures
