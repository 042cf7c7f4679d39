"""A call that changes a global setting: it is reported, and put back."""

import random
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from conceptlab.verify import verify
from conceptlab.verify.guard import SETTINGS
from conceptlab.verify.suite.state import DRAWS

CHANGES = {
    "default dtype": lambda: torch.set_default_dtype(torch.float16),
    "default device": lambda: torch.set_default_device("meta"),
    "grad mode": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.set_autocast_enabled("cuda", True),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "float32 matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "warnings filters": lambda: warnings.simplefilter("ignore"),
    "Python's random numbers": lambda: random.seed(0),
    "NumPy's random numbers": lambda: np.random.seed(0),
}


def relu_that(change):
    """relu, right but for what it does besides."""

    def relu(input, inplace=False):
        change()
        return torch.relu_(input) if inplace else torch.relu(input)

    return relu


def test_every_setting_is_tried():
    assert set(CHANGES) == set(SETTINGS)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled:UserWarning")
def test_a_changed_setting_is_reported_and_put_back(name):
    before = SETTINGS[name].read()
    report = verify(relu_that(CHANGES[name]), like="relu", only=["global_state"])
    assert SETTINGS[name].read() == before
    (result,) = report.results
    assert (result.passed, result.status) == (0, "failed")
    assert f"after the call {name}: expected " in result.failures[0]


def test_other_checks_do_not_suffer():
    report = verify(relu_that(CHANGES["default dtype"]), like="relu", only=["values", "first_derivatives"])
    assert report.passed
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("change", [lambda: torch.rand(1), lambda: torch.manual_seed(0)])
def test_random_numbers_where_torch_draws_none(change):
    (result,) = verify(relu_that(change), like="relu", only=["global_state"]).results
    assert result.status == "failed"
    assert DRAWS in result.failures[0]


def test_random_numbers_where_torch_draws_some():
    assert verify(F.dropout, like="dropout", only=["global_state"]).passed
    assert verify(torch.nn.Dropout, like="Dropout", only=["global_state"]).failed == []


def test_what_is_changed_before_an_exception_is_told():
    def relu(input, inplace=False):
        torch.set_grad_enabled(False)
        raise RuntimeError("too late")

    (result,) = verify(relu, like="relu", only=["global_state"]).results
    assert "grad mode: expected True, received False" in result.failures[0]
    assert torch.is_grad_enabled()


def test_an_exception_alone_is_for_other_checks():
    def relu(input, inplace=False):
        raise RuntimeError("not today")

    (result,) = verify(relu, like="relu", only=["global_state"]).results
    assert result.status == "not applicable"


def test_a_layer_is_watched_while_it_is_built_and_in_both_modes():
    class InEvaluation(torch.nn.BatchNorm2d):
        def forward(self, input):
            if not self.training:
                torch.set_num_threads(torch.get_num_threads() + 1)
            return super().forward(input)

    class WhileBuilt(torch.nn.BatchNorm2d):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            torch.use_deterministic_algorithms(True)

    for layer, name, half in ((InEvaluation, "number of threads", True), (WhileBuilt, "deterministic", False)):
        (result,) = verify(layer, like="BatchNorm2d", only=["global_state"]).results
        assert name in result.failures[0]
        assert (result.passed == result.failed) is half
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("name", ["relu", "conv2d", "softmax", "BatchNorm2d", "Linear"])
def test_torchs_own_changes_nothing(name):
    home = F if name.islower() else torch.nn
    assert verify(getattr(home, name), like=name, only=["global_state"]).failed == []
