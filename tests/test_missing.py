"""The page of what is not by hand: up to date, and nobody else has to be asked."""

import importlib

import pytest

from conceptlab import missing, stubs
from conceptlab.core import registry


def test_the_page_is_what_would_be_written():
    committed = missing.PAGE.read_text()
    if missing.VERSIONS not in committed:
        pytest.skip("written with other versions of torch and torchvision")
    assert committed == missing.page(), "run `python -m conceptlab.missing`"


def test_nothing_is_by_hand_and_missing():
    listed = {(name, each) for name in stubs.MODULES for each in missing.missing(name)}
    assert [part.name for part in registry.parts.values() if (part.public_home, part.name) in listed] == []


@pytest.mark.parametrize("name", stubs.MODULES)
def test_what_is_missing_raises_and_names_torchs(name):
    namespace = importlib.import_module(name)
    for each in missing.missing(name):
        with pytest.raises(AttributeError, match=f"torch's own is .*{each}"):
            getattr(namespace, each)


@pytest.mark.parametrize(
    ("name", "each"),
    [
        ("conceptlab.nn", "Bilinear"),
        ("conceptlab.nn.functional", "grid_sample"),
        ("conceptlab.nn.functional", "pdist"),  # in C++
        ("conceptlab.nn.init", "sparse_"),
        ("conceptlab.optim", "LBFGS"),
        ("conceptlab.transforms", "AugMix"),
    ],
)
def test_what_nobody_has_made_is_listed(name, each):
    assert each in missing.missing(name)


def test_helpers_and_bases_are_not_listed():
    listed = [each for name in stubs.MODULES for each in missing.missing(name)]
    assert not {"Module", "RNNBase", "Optimizer", "Tensor", "Callable", "has_torch_function", "Sequential"} & {*listed}
