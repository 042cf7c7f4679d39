"""Calls that hypothesis draws: shapes, strides, dilations, settings, dtypes. It shrinks a failing one by itself.

Every run draws the same (`derandomize`). The comparisons are the suite's own.
"""

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from conceptlab.core import registry
from conceptlab.core.samples import Sample
from conceptlab.verify.samples.draw import Draw
from conceptlab.verify.suite.precision import precision
from conceptlab.verify.suite.values import first_derivatives, layouts, values
from conceptlab.verify.target import Target

pytestmark = pytest.mark.slow

TIERS = ("handmade", "naive")
ROUNDED = (torch.float32, torch.bfloat16, torch.float16)
ELEMENTWISE = tuple(name for concept in ("relu", "sigmoid") for name in registry.concepts[concept].functions)


@dataclass(frozen=True)
class Drawn(Target):
    """A target of which one drawn call is verified."""

    sample: Sample = field(default_factory=lambda: Sample("drawn"))

    def samples(self, *_, **__):
        yield self.sample


def agrees(name, tier, dtype, args, kwargs):
    """In float64 values and gradients are torch's, in every layout; in another dtype the errors are no larger."""
    part = registry.parts[name]
    target = Drawn(part, part.tiers[tier], tier, sample=Sample("drawn", args, kwargs))
    if dtype != torch.float64:
        checks = [lambda t: precision(t, dtype)]
    else:
        checks = [values, first_derivatives] + ([layouts] if tier == "handmade" else [])
    tallies = [check(target) for check in checks]
    assume(any(tally.passed or tally.failures for tally in tallies))  # else torch refuses the call
    for tally in tallies:
        tally.raise_if_failed()


def drawn(**strategies):
    """A test of both tiers on sixty drawn calls; naive has no half precision to keep."""

    def decorate(test):
        bounded = settings(
            max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )
        return pytest.mark.parametrize("tier", TIERS)(bounded(given(**strategies)(test)))

    return decorate


sizes = st.integers(1, 4)
flags = st.booleans()
DTYPE = st.sampled_from((torch.float64, torch.float64, *ROUNDED))


def of_tier(tier, dtype):
    return dtype if tier == "handmade" else torch.float64


def axes(rank, low, high):
    """A number for each axis, or one for all."""
    return st.one_of(st.integers(low, high), st.tuples(*[st.integers(low, high)] * rank))


@st.composite
def convolutions(draw):
    rank = draw(st.integers(1, 3))
    groups, each_in, each_out = (draw(st.integers(1, 3)) for _ in range(3))
    kernel = draw(st.tuples(*[st.integers(1, 3)] * rank))
    settings_ = {
        "stride": draw(axes(rank, 1, 3)),
        "padding": draw(axes(rank, 0, 2)),
        "dilation": draw(axes(rank, 1, 2)),
        "groups": groups,
    }
    image = draw(st.tuples(*[st.integers(3, 7)] * rank))
    make = Draw(torch.float64)
    batch = draw(st.sampled_from(((2,), (1,), (0,), ())))
    x, weight = make(*batch, groups * each_in, *image), make(groups * each_out, each_in, *kernel)
    return f"conv{rank}d", (x, weight, make(groups * each_out) if draw(flags) else None), settings_


@drawn(call=convolutions(), dtype=DTYPE)
def test_convolution(tier, call, dtype):
    name, args, kwargs = call
    agrees(name, tier, of_tier(tier, dtype), args, kwargs)


@st.composite
def pools(draw):
    rank = draw(st.integers(1, 3))
    x = Draw(torch.float64)(*draw(st.sampled_from(((2,), (0,), ()))), 2, *draw(st.tuples(*[st.integers(3, 7)] * rank)))
    kernel = draw(st.integers(1, 3))
    window = {
        "kernel_size": kernel,
        "stride": draw(st.integers(1, 3)),
        "padding": draw(st.integers(0, kernel // 2)),
        "ceil_mode": draw(flags),
    }
    kind = draw(st.sampled_from(("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool")))
    if kind.startswith("adaptive"):
        return f"{kind}{rank}d", (x, draw(axes(rank, 1, 5) if rank > 1 else sizes)), {}
    more = {"dilation": draw(st.integers(1, 2))} if kind == "max_pool" else {"count_include_pad": draw(flags)}
    return f"{kind}{rank}d", (x,), window | more


@drawn(call=pools(), dtype=DTYPE)
def test_pooling(tier, call, dtype):
    name, args, kwargs = call
    agrees(name, tier, of_tier(tier, dtype), args, kwargs)


@st.composite
def pads(draw):
    mode = draw(st.sampled_from(("constant", "reflect", "replicate", "circular")))
    rank = draw(st.integers(1, 3))
    image = draw(st.tuples(*[st.integers(3, 6)] * rank))
    low, high = (-1, 3) if mode == "constant" else (0, 2)
    widths = draw(st.lists(st.integers(low, high), min_size=2 * rank, max_size=2 * rank))
    value = (draw(st.floats(-2, 2)),) if mode == "constant" else ()
    return Draw(torch.float64)(2, 2, *image), widths, mode, *value


@drawn(args=pads(), dtype=DTYPE)
def test_padding(tier, args, dtype):
    agrees("pad", tier, of_tier(tier, dtype), args, {})


@st.composite
def normalizations(draw):
    make = Draw(torch.float64)
    C = draw(sizes)
    x = make(draw(sizes), C, *draw(st.lists(sizes, max_size=3)))
    statistics = make(C).detach(), make(C).detach().square() + 0.5
    affine = (make(C), make(C)) if draw(flags) else (None, None)
    options = {"training": draw(flags), "momentum": draw(st.floats(0, 1)), "eps": draw(st.sampled_from((1e-5, 0.3)))}
    return (x, *statistics, *affine), options


@drawn(call=normalizations(), dtype=DTYPE)
def test_batch_norm(tier, call, dtype):
    args, kwargs = call
    agrees("batch_norm", tier, of_tier(tier, dtype), args, kwargs)


@st.composite
def slices(draw):
    shape = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return draw(st.sampled_from(("softmax", "log_softmax", "softmin"))), (Draw(torch.float64)(*shape), axis)


@drawn(call=slices(), dtype=DTYPE)
def test_softmax(tier, call, dtype):
    name, args = call
    agrees(name, tier, of_tier(tier, dtype), args, {})


@st.composite
def cross_entropies(draw):
    make = Draw(torch.float64)
    N, C, rest = draw(sizes), draw(st.integers(1, 5)), draw(st.lists(sizes, max_size=2))
    options = {"reduction": draw(st.sampled_from(("none", "mean", "sum")))}
    if draw(flags):
        options["weight"] = make(C).detach().square() + 0.1
    options["label_smoothing"] = draw(st.sampled_from((0.0, 0.1, 1.0)))
    if draw(flags):
        return (make(N, C, *rest), make(N, C, *rest).detach().softmax(1)), options
    if draw(flags):
        options["ignore_index"] = draw(st.integers(0, C))
    return (make(N, C, *rest), make.whole(C, N, *rest)), options


@drawn(call=cross_entropies(), dtype=DTYPE)
def test_cross_entropy(tier, call, dtype):
    args, kwargs = call
    agrees("cross_entropy", tier, of_tier(tier, dtype), args, kwargs)


@drawn(name=st.sampled_from(ELEMENTWISE), shape=st.lists(st.integers(0, 5), max_size=4), dtype=DTYPE)
def test_elementwise(tier, name, shape, dtype):
    x = Draw(torch.float64)(*shape)
    more = {"threshold": (0.1, 20.0), "prelu": (torch.tensor([0.3], dtype=torch.float64, requires_grad=True),)}
    agrees(name, tier, of_tier(tier, dtype), (x, *more.get(name, ())), {})
