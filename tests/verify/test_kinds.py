"""Optimizers, schedulers, initializers, transforms: right ones pass, wrong ones fail as expected, torch's own pass."""

import importlib
import inspect

import pytest
import torch
from torchvision.transforms import v2

from conceptlab.core import registry
from conceptlab.core.namespace import all_tiers
from conceptlab.verify import checks, verify
from conceptlab.verify.scheduler_settings import SETTINGS
from conceptlab.verify.target import HOMES, target, tier_of

from . import kinds

HEAVY = {"settings", "trajectory", "network", "tensor_hyperparameters", "precision", "half_precision"}
"""Checks of an optimizer that take more than a second."""


def failed(implementation, like, *only):
    return {result.check: result for result in verify(implementation, like, only=only).failed}


RIGHT = [
    (kinds.RightSGD, "SGD"),
    (kinds.RightAdam, "Adam"),
    (kinds.RightStepLR, "StepLR"),
    (kinds.right_kaiming, "kaiming_uniform_"),
    (kinds.RightFlip, "RandomHorizontalFlip"),
]
# what their authors left to torch
NOT_WRITTEN = {
    "RightAdam": {
        *("settings", "differentiable", "tensor_hyperparameters", "sparse_gradients", "precision"),
        *("compiled_step", "scaled_gradients"),
    }
}


@pytest.mark.slow
@pytest.mark.parametrize(("implementation", "like"), RIGHT, ids=[row[0].__name__ for row in RIGHT])
def test_right(implementation, like):
    left = NOT_WRITTEN.get(implementation.__name__, set())
    bound = [check for check in checks(implementation, like) if str(check) not in left]
    report = verify(implementation, like, only=[str(check) for check in bound])
    assert report.passed, str(report)
    assert sum(result.passed for result in report.results) > 20


WRONG = [
    # implementation, what it is to be, the check that has to fail, and one that has not to
    (kinds.DecayInTheWrongPlace, "SGD", "missing_gradients", "step_hooks"),
    (kinds.MaximizeForgotten, "SGD", "state_exchanged", "step_hooks"),
    (kinds.BufferOfTheGradient, "SGD", "kept_gradients", "missing_gradients"),
    (kinds.GraphKept, "SGD", "no_graph", "refused"),
    (kinds.WrongWhenCompiled, "SGD", "compiled_step", "missing_gradients"),
    (kinds.ScaleIgnored, "SGD", "scaled_gradients", "missing_gradients"),
    (kinds.AdamWithoutThePower, "Adam", "missing_gradients", "constructed"),
    (kinds.AdamWithEpsInTheRoot, "Adam", "missing_gradients", "constructed"),
    (kinds.AdamOfFloat32, "Adam", "state_dtypes", "missing_gradients"),
    (kinds.StepOneLate, "StepLR", "schedule", "closed_form"),
    (kinds.StepFromTheFirstRate, "StepLR", "changed_in_between", "schedule"),
    (kinds.StepThatKeepsItsCount, "StepLR", "state_exchanged", "schedule"),
    (kinds.StepOfAllGroupsAlike, "StepLR", "schedule", "warned"),
    (kinds.kaiming_with_swapped_fans, "kaiming_uniform_", "values", "refused"),
    (kinds.kaiming_without_generator, "kaiming_uniform_", "generator", "values"),
    (kinds.kaiming_of_another_slope, "kaiming_uniform_", "signature", "refused"),
    (kinds.kaiming_in_a_copy, "kaiming_uniform_", "values", "refused"),
    (kinds.kaiming_that_takes_vectors, "kaiming_uniform_", "refused", "values"),
    (kinds.CropInAnotherOrder, "RandomCrop", "values", "constructed"),
    (kinds.NormalizeWithoutStd, "Normalize", "values", "constructed"),
    (kinds.NormalizeDetached, "Normalize", "pixel_gradients", "values"),
    (kinds.FlipOfLabels, "RandomHorizontalFlip", "nested", "values"),
]


@pytest.mark.parametrize(("implementation", "like", "fails", "passes"), WRONG, ids=[row[0].__name__ for row in WRONG])
def test_wrong(implementation, like, fails, passes):
    assert set(failed(implementation, like, fails, passes)) == {fails}


@pytest.mark.parametrize("wrong", [kinds.AdamWithoutThePower, kinds.AdamWithEpsInTheRoot])
def test_wrong_adam_goes_another_way(wrong):
    assert "differs by" in failed(wrong, "Adam", "network")["network"].failures[0]
    assert not failed(kinds.RightAdam, "Adam", "network")


def test_decay_in_the_wrong_place_is_found_where_there_is_decay_and_momentum():
    failures = failed(kinds.DecayInTheWrongPlace, "SGD", "missing_gradients")["missing_gradients"].failures
    assert all("weight_decay" in f or "nesterov" in f or "every-term" in f for f in failures)


def test_what_an_optimizer_does_not_offer_is_named():
    """A choice between torch's programs may be missing, an argument of the formula may not."""
    assert not failed(kinds.RightSGD, "SGD", "constructed")
    report = verify(kinds.RightSGD, "SGD", only=["constructed"])
    assert any("fused" in reason for reason in report.results[0].left_out)

    class WithoutDampening(kinds.RightSGD):
        def __init__(self, params, lr=1e-3, momentum=0, weight_decay=0, nesterov=False, *, maximize=False):
            super().__init__(params, lr, momentum, 0, weight_decay, nesterov, maximize=maximize)

    found = failed(WithoutDampening, "SGD", "constructed")["constructed"].failures[0]
    assert "none named dampening" in found


def check_notices(monkeypatch, name, wrong, fails, says):
    """The check passes, until the one function that the class needs is another."""
    part = registry.parts[name]
    assert verify(tier_of(part, "handmade"), part.torch, only=[fails]).passed
    (function,) = part.tiers["handmade"].needs
    monkeypatch.setattr(all_tiers(registry.concepts[part.concept].family)["handmade"], function, wrong)
    [result] = verify(tier_of(part, "handmade"), part.torch, only=[fails]).results
    assert result.failed
    assert says in str(result.failures)


def _from_the_right(inpt):
    return inpt.index_select(-1, torch.arange(inpt.shape[-1] - 1, -1, -1))


def _without_a_derivative_beside_the_fill(inpt, *args, fill=None, **kwargs):
    result = AFFINE(inpt, *args, fill=fill, **kwargs)
    return result if fill is None else result.detach()


AFFINE = all_tiers("transforms")["handmade"].affine


@pytest.mark.parametrize(
    ("name", "wrong", "fails", "says"),
    [
        ("RandomHorizontalFlip", lambda inpt: inpt, "functions", "pixels"),
        ("RandomHorizontalFlip", lambda inpt: inpt.detach().flip(-1), "function_gradients", "gradient by the pixels"),
        ("RandomHorizontalFlip", lambda inpt: inpt.copy_(inpt.flip(-1)), "functions", "image afterwards"),
        ("RandomHorizontalFlip", _from_the_right, "functions_elsewhere", "device"),
        # for which torchvision's own has no derivative
        ("RandomAffine", _without_a_derivative_beside_the_fill, "function_gradients", "gradient by the pixels"),
    ],
    ids=["as-it-was", "detached", "in-place", "places-on-the-cpu", "detached-where-torchvision-is"],
)
def test_a_wrong_function_below_a_transform(monkeypatch, name, wrong, fails, says):
    check_notices(monkeypatch, name, wrong, fails, says)


def _with_another_default(params, grads, sums, steps, has_sparse_grad=True, **kwargs):
    return ADAGRAD(params, grads, sums, steps, has_sparse_grad=has_sparse_grad, **kwargs)


def _that_reads_its_count(params, grads, sums, steps, **kwargs):
    assert steps[0].item() >= 0
    return ADAGRAD(params, grads, sums, steps, **kwargs)


def _by_a_detached_number(params, grads, sums, steps, *, lr, **kwargs):
    return ADAGRAD(params, grads, sums, steps, lr=lr.detach(), **kwargs)


def _in_half_precision(params, grads, sums, steps, **kwargs):
    return registry.concepts["optimization"].builtin("adagrad")(params, grads, sums, steps, **kwargs)


ADAGRAD = all_tiers("optim")["handmade"].adagrad


@pytest.mark.parametrize(
    ("wrong", "fails", "says"),
    [
        (_with_another_default, "functions", "expected the parameters"),
        (_in_half_precision, "rounded_once", "are not the step in float64, rounded"),
        (_by_a_detached_number, "derivatives_by_numbers", "Jacobian mismatch"),
        (_that_reads_its_count, "compiled_step", "torch's own into"),
    ],
    ids=["another-default", "in-half-precision", "by-a-detached-number", "a-count-that-is-read"],
)
def test_a_wrong_function_below_an_optimizer(monkeypatch, wrong, fails, says):
    check_notices(monkeypatch, "Adagrad", wrong, fails, says)


def torchs_own():
    """Everything of torch's that is of one of the four kinds."""
    for home, kind in HOMES.items():
        if kind not in ("optimizer", "scheduler", "initializer", "transform"):
            continue
        module = importlib.import_module(home)
        for name, value in sorted(vars(module).items()):
            scheduler = torch.optim.lr_scheduler.LRScheduler
            bases = {"optimizer": torch.optim.Optimizer, "scheduler": scheduler, "transform": torch.nn.Module}
            if kind == "initializer":
                mine = inspect.isfunction(value) and not name.startswith("_")
            else:
                mine = isinstance(value, type) and issubclass(value, bases[kind])
            if mine and value not in (torch.optim.Optimizer, scheduler, v2.Transform) and not name.startswith("_"):
                yield name, value, kind


QUICK = {"SGD", "uniform_", "kaiming_normal", "eye_", "calculate_gain", "CenterCrop", "Compose", "RandomIoUCrop"}
TORCHS = [
    pytest.param(
        check, id=f"{name}-{check}", marks=() if name in QUICK and str(check) not in HEAVY else pytest.mark.slow
    )
    for name, value, kind in torchs_own()
    for check in checks(value, like=value)
]


@pytest.mark.parametrize("check", TORCHS)
def test_torchs_own_is_not_accused(check):
    check()


def test_all_of_torchs_are_there():
    found = {kind: [name for name, _, k in torchs_own() if k == kind] for _, _, kind in torchs_own()}
    assert len(found["optimizer"]) >= 15
    assert set(found["scheduler"]) == set(SETTINGS)
    assert len(found["initializer"]) >= 25
    assert len(found["transform"]) >= 55
    assert {target(value, like=value).kind for _, value, kind in torchs_own() if kind == "transform"} == {"transform"}
