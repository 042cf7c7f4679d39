"""PyTorch's own test material: where it is read, and what is said when a release of torch has changed it."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import conceptlab
from conceptlab.verify import torch_samples
from conceptlab.verify.target import target


def test_one_file_reads_it():
    files = Path(conceptlab.__file__).parent.rglob("*.py")
    assert [f.name for f in files if "torch.testing._internal" in f.read_text()] == ["torch_samples.py"]


def test_a_name_that_is_gone_is_named(monkeypatch):
    torch_samples.private("common_modules", "module_db")
    monkeypatch.delattr("torch.testing._internal.common_modules.module_db")
    with pytest.raises(ImportError, match=r"expected module_db in torch\.testing\._internal\.common_modules") as caught:
        torch_samples.tested()
    assert torch.__version__ in str(caught.value)
    assert "torch_samples.py" in str(caught.value)


def test_a_module_that_is_gone_is_named():
    with pytest.raises(ImportError, match=r"expected op_db in torch\.testing\._internal\.common_nothing"):
        torch_samples.private("common_nothing", "op_db")


def test_what_pytorch_tests():
    found = torch_samples.tested()
    assert F.conv2d in found
    assert torch.nn.LSTM in found
    # 99 functions and 114 classes in torch 2.14
    assert len(found) > 200


def test_arguments_behind_a_wrapper_are_the_functions_own():
    """PyTorch tests a lambda with the weights first; its wrappers for seeds pass all defaults on."""
    words, weight = next(iter(target(F.embedding, "embedding").samples())).args
    assert not words.is_floating_point()
    assert weight.requires_grad
    for sample in target(F.rrelu, "rrelu").samples():
        assert sample.kwargs.get("inplace") is not False or "," in sample.name
