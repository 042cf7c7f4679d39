"""torch's own classes and functions, verified against themselves: no check may fail.

A sample of them is drawn for `make test`; all of them, with what PyTorch has no samples of, are marked `complete`.
"""

import random

import pytest
import torch
import torch.nn.functional as F

from conceptlab.verify import samples, torch_samples, verify

TESTED = torch_samples.tested()
OWN = [getattr(torch.nn, name, None) or getattr(F, name) for name in samples.names()]
EVERY = {own.__name__: own for own in [*TESTED, *OWN]}
FEW = set(random.Random(3).sample(sorted(EVERY), 8))


@pytest.mark.slow
@pytest.mark.parametrize(
    "own",
    [pytest.param(own, id=name, marks=() if name in FEW else pytest.mark.complete) for name, own in EVERY.items()],
)
def test_torch_passes_its_own_checks(own):
    if own is F.multilabel_margin_loss and torch.__version__ < "2.14":
        pytest.skip("torch 2.11 returns memory that it has not written, for an empty batch")
    report = verify(own, like=own)
    assert report.passed, str(report)
    assert any(result.status == "passed" for result in report.results), "no check had a sample that applied"
