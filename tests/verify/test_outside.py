"""Models of other packages, wholly on handmade parts: nothing of torch's own is left, and they compute the same."""

import pytest

from conceptlab.verify import outside

LARGE = {"vit_b_16", "swin_t", "convnext_tiny", "maxvit_t"}
CASES = [
    pytest.param(model, id=name, marks=pytest.mark.complete if name in LARGE else pytest.mark.slow)
    for name, model in outside.MODELS.items()
]


@pytest.mark.parametrize("model", CASES)
def test_it_is_as_on_torchs_parts(model):
    pytest.importorskip(model.package)
    outcome = outside.measure(model, seeds=1)
    assert outcome.swapped > 0
    assert not outcome.leaks, f"torch's own still ran in {outcome.leaks}"
    assert not outcome.different, outcome.different
    assert max(max(pair) for pair in outcome.ratios) <= 4, outcome.ratios


def test_the_page_has_every_model():
    page = outside.PAGE.read_text()
    assert [name for name in outside.MODELS if f"`{name}`" not in page] == []
    assert f"**{len(outside.MODELS)} of {len(outside.MODELS)} are as torch's own.**" in page


def test_a_leak_an_error_and_a_difference_are_told():
    model = outside.MODELS["swin_t"]
    fine = outside.Outcome(model, 3, (), "", ((1.0, 2.0), (0.5, 4.0)))
    assert fine.right
    assert fine.row() == "| `swin_t` | torchvision | 3 | none | same | 1.00 | 2.00 | 0.50 | 4.00 |"
    wrong = [
        outside.Outcome(model, 3, ("norm",), "", ((1.0, 1.0),)),
        outside.Outcome(model, 3, (), "logits: differs", ((1.0, 1.0),)),
        outside.Outcome(model, 3, (), "", ((1.0, 4.1),)),
        outside.Outcome(model, 3, (), "", ((float("nan"), 1.0),)),
    ]
    assert not any(outcome.right for outcome in wrong)
    assert "**1 of 5 are as torch's own.**" in outside.page([fine, *wrong])
