"""From a failure to the smallest input, and to code that shows it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core.samples import Sample
from conceptlab.verify import snippets, verify
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.reproduction import explain, narrowed, representative, rerun, smallest
from conceptlab.verify.suite.values import error_inputs, first_derivatives, values
from conceptlab.verify.tally import Failure, each, watched_by
from conceptlab.verify.target import part_like, target, tier_of


def wrong_softmax(input, dim, _stacklevel=3, dtype=None):
    """Wrong from three classes on."""
    y = input.softmax(dim, dtype=dtype)
    return y * 2 if input.dim() and input.shape[dim] > 2 else y


def never_refusing(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    try:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    except RuntimeError:
        return input


def sizes(sample):
    return [tuple(t.shape) for t in sample.args if isinstance(t, Tensor)]


def test_axes_are_halved_and_values_simplified_as_long_as_it_fails():
    aim = target(wrong_softmax, "softmax")
    x = torch.randn(4, 9, 5, dtype=torch.float64, requires_grad=True)
    failure = Failure(Sample("large", (x, 1), {"dtype": None}), Mismatch("value: differs"))
    least = smallest(values, aim, failure)
    assert sizes(least.sample) == [(1, 3, 1)] or sizes(least.sample) == [(1, 4, 1)]
    assert dict(least.sample.kwargs) == {}
    assert least.sample.args[0].unique().numel() == 1
    assert least.sample.args[0].requires_grad
    assert values(narrowed(aim, least.sample)).failures


def test_tries_are_bounded():
    calls = []

    def counted(input, dim, _stacklevel=3, dtype=None):
        calls.append(1)
        return input.softmax(dim, dtype=dtype)

    aim = target(counted, "softmax")
    x = torch.randn(4, 5, 6, dtype=torch.float64)
    smallest(values, aim, Failure(Sample("large", (x, 1)), Mismatch("value: differs")), tries=7)
    assert len(calls) == 7


def test_no_step_trades_one_failure_for_another():
    def fails_twice(input, dim, _stacklevel=3, dtype=None):
        if input.numel() < 8:
            raise OSError("something else")
        return input.softmax(dim, dtype=dtype) + 1

    aim = target(fails_twice, "softmax")
    x = torch.randn(8, 8, dtype=torch.float64)
    least = smallest(values, aim, Failure(Sample("large", (x, 1)), Mismatch("value: differs")))
    assert isinstance(least.error, Mismatch)
    assert least.sample.args[0].numel() >= 8


def test_the_representative_is_small_but_not_empty_and_fails_as_most_do():
    def failure(name, *shape, error=None):
        return Failure(Sample(name, (torch.zeros(shape),)), error or Mismatch("value: differs by 1"))

    failures = [failure("large", 9), failure("small", 2), failure("empty", 0), failure("odd", 1, error=OSError("x"))]
    assert representative(failures).sample.name == "small"
    assert representative(failures, at_least=5).sample.name == "large"
    assert representative([failures[2]]).sample.name == "empty"


def test_nobody_hears_of_the_smaller_samples():
    heard = []

    class Watcher:
        def starts(self, sample):
            heard.append(sample)
            return True

    aim = target(wrong_softmax, "softmax")
    with watched_by(Watcher()):
        tally = values(aim)
        count = len(heard)
        explain(values, aim, tally.failures)
        assert len(heard) == count
        each([Sample("one")], lambda sample: None)
    assert len(heard) == count + 1


def test_code_of_a_function_that_cannot_be_imported_says_so():
    def local(input, dim, _stacklevel=3, dtype=None):
        return input.softmax(dim, dtype=dtype) + 1

    aim = target(local, "softmax")
    found = explain(values, aim, values(aim).failures)
    assert "# local is yours" in found.code
    with pytest.raises(AssertionError):
        exec(found.code, {"local": local})


def test_code_of_a_tier_calls_that_tier():
    aim = tier_of(part_like("Linear"), "naive")
    sample = Sample("x", (torch.ones(2, 3, dtype=torch.float64),), init_args=(3, 1))
    (first, *_) = snippets._in_plain_torch(aim, "behaviour", sample)
    assert 'partial(Linear, tier="naive")' in first
    assert snippets.executed(aim, first)[1] is None


def test_what_should_have_been_refused():
    aim = target(never_refusing, "conv2d")
    tally = error_inputs(aim)
    found = explain(error_inputs, aim, tally.failures)
    assert "expected RuntimeError" in found.output
    assert "received accepted" in found.output


def test_large_tensors_are_random_and_special_numbers_imported():
    x = torch.tensor([1.0, float("nan"), float("-inf")], dtype=torch.float64)
    code = next(snippets._in_plain_torch(target(F.relu, "relu"), "values", Sample("special", (x,))))
    assert "from math import inf, nan" in code
    assert snippets.executed(target(F.relu, "relu"), code)[1] is None
    large = torch.randn(30, 40, dtype=torch.float64, requires_grad=True)
    code = next(snippets._in_plain_torch(target(F.relu, "relu"), "values", Sample("large", (large,))))
    assert "torch.manual_seed(0)\nx = torch.randn((30, 40), dtype=torch.float64, requires_grad=True)" in code


def test_code_that_torch_itself_refuses_shows_nothing():
    x = torch.ones(3, dtype=torch.float64)
    (code,) = snippets._in_plain_torch(target(F.linear, "linear"), "first_derivatives", Sample("refused", (x, x[:2])))
    assert snippets.executed(target(F.linear, "linear"), code) == ("", None)


def test_one_check_on_one_sample():
    sample = Sample("three classes", (torch.zeros(3, dtype=torch.float64), 0))
    with pytest.raises(Mismatch, match="value"):
        rerun("values", wrong_softmax, "softmax", sample)
    rerun("values", F.softmax, "softmax", sample)


def test_the_report_shows_cause_code_and_numbers():
    report = verify(wrong_softmax, like="softmax", only=["values"])
    (result,) = report.failed
    for part in (result.cause, *result.code.splitlines(), *result.output.splitlines()):
        assert part in str(report)
    assert result.cause
    assert report.as_dict()["results"][0]["code"] == result.code


def test_a_failure_is_reported_even_if_nothing_can_be_said_of_it():
    found = explain(first_derivatives, target(F.relu, "relu"), [Failure(Sample("none"), Mismatch("x"))])
    assert found.code.endswith('only=["first_derivatives"]))')
    assert found.cause == ""
