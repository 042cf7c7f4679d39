"""What torch itself does not do, or warns of, is no fault of an implementation; what it alone does, is."""

import warnings

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core.samples import Sample
from conceptlab.verify import verify
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.tally import NotApplicable, each, of_torch, unless_torch_fails


def refuses(function):
    if function != "right":
        raise ValueError("it fails")


def test_where_torch_fails_too_nothing_is_said():
    with pytest.raises(NotApplicable, match="torch's own fails"):
        unless_torch_fails(refuses, "wrong", "wrong", "torch's own fails")
    with pytest.raises(ValueError, match="it fails"):
        unless_torch_fails(refuses, "wrong", "right", "torch's own fails")
    unless_torch_fails(refuses, "right", "wrong", "torch's own fails")


@pytest.mark.parametrize(("text", "failures"), [("old", 0), ("new", 1)])
def test_a_warning_of_torchs_is_no_news(text, failures):
    def compare(_):
        of_torch(lambda: warnings.warn("old", stacklevel=1))
        warnings.warn(text, stacklevel=1)

    assert len(each([Sample("one")], compare).failures) == failures


def test_a_sample_leaves_no_filter_behind():
    each([Sample("one")], lambda _: of_torch(lambda: warnings.warn("old", stacklevel=1)))
    with pytest.raises(UserWarning, match="old"):
        warnings.warn("old", stacklevel=1)


def test_nothing_to_differentiate_is_not_passed():
    report = verify(F.one_hot, like="one_hot", only=["values", "first_derivatives", "second_derivatives"])
    assert [result.status for result in report.results] == ["passed", "not applicable", "not applicable"]


def test_sparse_gradients_are_compared():
    sparse = torch.eye(3).to_sparse()
    check_same(sparse * 1, sparse, "gradient")
    with pytest.raises(Mismatch, match="layout"):
        check_same(sparse.to_dense(), sparse, "gradient")
    with pytest.raises(Mismatch, match="differs"):
        check_same(sparse * 2, sparse, "gradient")


def test_compiled_gradients_of_keyword_arguments_are_compared():
    def detached(input, num_groups, weight=None, bias=None, eps=1e-5):
        return F.group_norm(input, num_groups, None if weight is None else weight.detach(), bias, eps)

    (result,) = verify(detached, like="group_norm", only=["compiled"]).results
    assert result.failed
    assert "gradient" in result.failures[0]


def test_lazy_layers_are_compared_after_their_first_input():
    class OnesForAll(torch.nn.LazyConv1d):
        def initialize_parameters(self, input, *args, **kwargs):
            super().initialize_parameters(input, *args, **kwargs)
            torch.nn.init.ones_(self.weight)

    (result,) = verify(OnesForAll, like=torch.nn.LazyConv1d, only=["constructed"]).results
    assert result.failed
    assert "first values" in result.failures[0]


def test_like_finds_what_calls_itself_otherwise():
    assert F.logsigmoid.__name__ != "logsigmoid"
    assert verify(F.logsigmoid, like=F.logsigmoid, only=["values"]).like == "logsigmoid"
