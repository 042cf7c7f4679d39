"""Each check can fail: a small mistake that it is there for. And torch's own, verified as if by hand, passes."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conceptlab.core import registry
from conceptlab.verify import suite
from conceptlab.verify.calls import gradients
from conceptlab.verify.suite import CHECKS, laws_of, layers
from conceptlab.verify.tally import NotApplicable, of_torch
from conceptlab.verify.target import Target, part_like, target

from . import mistakes

LATE = {"inductor", "flat_memory", "compiled_once", "no_graph_kept"}
MUTANTS = [
    ("signature", "swapped-arguments", "softmax", mistakes.swapped_arguments),
    ("signature", "another-default", "dropout", mistakes.another_default),
    ("signature", "other-names-of-a-class", "Linear", mistakes.Renamed),
    ("untouched", "upstream-gradient-written-to", "relu", mistakes.writes_upstream),
    ("error_words", "message-without-a-word", "adaptive_max_pool1d", mistakes.says_nothing),
    ("reference", "seven-digits", "sigmoid", mistakes.half_right),
    ("tiny_inputs", "epsilon-that-is-larger", "relu", mistakes.with_an_epsilon),
    ("expanded_inputs", "memory-order", "relu", mistakes.in_memory_order),
    ("overwritten", "view-as-result", "linear", mistakes.as_a_view),
    ("extremes", "slope-at-zero", "relu", mistakes.kinked_at_zero),
    ("extremes", "no-samples", "softmax", mistakes.refuses_no_samples),
    ("complex_numbers", "lost-conjugate", "linear", mistakes.without_conjugate),
    ("random_stream", "one-draw-more", "dropout", mistakes.draws_too_much),
    ("random_stream", "draw-after-construction", "Linear", mistakes.BiasedOnce),
    ("law_of_the_draw", "not-rescaled", "dropout", mistakes.not_rescaled),
    ("law_of_the_draw", "other-share", "dropout", mistakes.drops_the_other_share),
    ("law_of_the_draw", "fresh-mask-in-backward", "dropout", mistakes.fresh_mask),
    ("vmapped", "first-weight-for-all", "linear", mistakes.with_first_weight),
    ("second_derivatives", "loss-beside-a-penalty", "tanh", mistakes.one_of_two),
    ("gradcheck", "doubled-slope", "tanh", mistakes.doubled_slope),
    ("func_grad", "function-that-torch-func-refuses", "tanh", mistakes.without_setup),
    ("gradgradcheck", "constant-slope", "tanh", mistakes.saved_intermediate),
    ("no_graph_kept", "last-result-kept", "relu", mistakes.remembers_the_last),
    ("no_graph_kept", "attribute-of-a-layer", "BatchNorm2d", mistakes.KeepsGraph),
    ("saved_memory", "long-chain", "tanh", mistakes.saves_much),
    ("flat_memory", "list-that-grows", "relu", mistakes.remembers_all),
    ("compiled_once", "counter", "relu", mistakes.counts_calls()),
    ("inductor", "wrong-when-compiled", "relu", mistakes.wrong_when_compiled),
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
    mistakes.KEPT.clear()
    assert tally.failures, f"{tally.passed} passed, {dict(tally.left_out)} did not apply"


def test_pure_catches_torchs_own():
    part = part_like("ReLU")
    assert layers.pure(Target(part, mistakes.Impure)).failures


def test_a_chain_in_half_precision_is_found():
    """It rounds at every step, which the bound for everybody allows."""
    part = part_like("silu")
    chain = Target(part, lambda input, inplace=False: input / ((-input).exp() + 1), "handmade")
    assert not [failure for failure in suite.half_precision(chain).failures if "pooled" in failure.sample.name]
    assert [failure for failure in suite.rounded_once(chain).failures if "pooled" in failure.sample.name]
    suite.rounded_once(Target(part, part.torch, "handmade")).raise_if_failed()


def test_a_tangent_of_another_dtype_is_found():
    part = part_like("silu")
    wide = Target(part, mistakes.with_wide_tangents, "handmade")
    assert "dtype of the tangent" in str(suite.half_tangents(wide).failures[0])
    suite.half_tangents(Target(part, part.torch, "handmade")).raise_if_failed()


def test_a_tangent_of_another_dtype_is_found_where_torch_has_none():
    part = part_like("glu")
    right = part.tiers["handmade"]
    wide = Target(part, lambda *args, **kwargs: mistakes.WideForward.call(right(*args, **kwargs)), "handmade")
    assert "dtype of the tangent" in str(suite.half_tangents(wide).failures[0])
    assert suite.half_tangents(Target(part, right, "handmade")).passed
    assert not suite.half_tangents(Target(part, part.torch)).passed


WRONG_RULES = [(mistakes.DoubledForward, "tangent"), (mistakes.OnceDifferentiable, "forward over reverse")]
ORDERS = [
    (suite.forward_mode, mistakes.DoubledForward, "tangent"),
    (suite.mixed_modes, mistakes.OnceDifferentiable, "forward over reverse"),
    (suite.mixed_modes, mistakes.DetachedForward, "reverse over forward[1]"),
    (suite.mixed_thirds, mistakes.DetachedInBackward, "reverse over forward over reverse"),
    (suite.third_derivatives, mistakes.TwiceDifferentiable, "third derivative"),
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
