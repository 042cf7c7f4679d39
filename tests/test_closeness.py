"""What the comparison of errors makes of infinities and NaN."""

import math

import pytest
import torch

from conceptlab.verify.closeness import ErrorRatio, Mismatch

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
