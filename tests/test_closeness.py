"""What comparisons make of infinities, NaN, and numbers that are very large."""

import math

import pytest
import torch

from conceptlab.verify.closeness import ErrorRatio, Mismatch, check_same

NUMBER, INFINITY, NAN = (torch.tensor([value, 1.0]) for value in (2.0, math.inf, math.nan))


@pytest.mark.parametrize("ours", [NUMBER, NAN])
def test_a_nan_that_only_torch_has_is_its_own_mistake(ours):
    ratio = ErrorRatio()
    ratio.add([ours], [NAN], [NUMBER])
    assert ratio.elements == [1]


@pytest.mark.parametrize(("ours", "theirs"), [(NAN, NUMBER), (INFINITY, NUMBER)])
def test_any_other_infinity_or_nan_has_to_be_torchs(ours, theirs):
    with pytest.raises(Mismatch, match="in other places"):
        ErrorRatio().add([ours], [theirs], [NUMBER])


@pytest.mark.parametrize(("ours", "theirs"), [(NAN, NUMBER), (NUMBER, NAN), (INFINITY, NAN), (INFINITY, -INFINITY)])
def test_an_infinity_or_nan_is_compared_by_its_place_and_kind(ours, theirs):
    with pytest.raises(Mismatch, match="in other places"):
        check_same(ours, theirs, "value")
    check_same(ours + 1e-12, ours, "value", bound=1e-6)


def test_beside_a_large_number_the_others_count_too():
    theirs = torch.tensor([1e30, math.inf, 1.0, 0.0], dtype=torch.float64)
    check_same(theirs * (1 + 1e-12), theirs, "value")
    with pytest.raises(Mismatch, match=r"value: differs by 1, allowed 1e-09 · 1:"):
        check_same(theirs + torch.tensor([0.0, 0.0, 0.0, 1.0]), theirs, "value")
