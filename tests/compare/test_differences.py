"""The verdict: it has to tell a rounding from a mistake."""

import numpy as np
import pytest

from conceptlab.compare.differences import EARLY, Difference, judge, judge_errors, ratios, relative_difference

EPS = 2.0**-23
STEPS = np.arange(60)


def noise(seed, scale=1.0, growth=100):
    """Relative differences as rounding makes them: an epsilon at the start, ``growth`` times as much at the end."""
    return (
        np.abs(np.random.default_rng(seed).normal(size=len(STEPS))) * EPS * scale * np.geomspace(1, growth, len(STEPS))
    )


def verdict(values, same_metrics=False):
    return judge({"loss": values, "grad_norm": values}, STEPS, eps=EPS, same_metrics=same_metrics)


def test_relative_difference_of_numbers_that_are_not_finite():
    a = np.array([np.nan, np.inf, np.inf, 1.0, -np.inf])
    b = np.array([np.nan, np.inf, 1.0, np.nan, np.inf])
    assert relative_difference(a, b).tolist() == [0, 0, np.inf, np.inf, np.inf]


def test_first_difference_has_the_number_of_its_step():
    relative = np.array([0.0, 0.0, 3e-7, 1e-6, 5e-7])
    difference = Difference.of(relative, np.array([0, 10, 20, 30, 40]))
    assert difference == Difference(first_step=20, first=3e-7, start=0.0, largest=1e-6, last=5e-7, steps=5)


def test_no_difference():
    assert Difference.of(np.zeros(3), np.arange(3)).first_step is None


def test_exactly_equal_needs_every_bit_and_every_metric():
    assert verdict(np.zeros(60), same_metrics=True).kind == "exact"
    assert verdict(np.zeros(60), same_metrics=False).kind == "different"
    one = np.zeros(60)
    one[59] = 1e-16
    assert verdict(one, same_metrics=True).kind == "rounding"


@pytest.mark.parametrize("seed", range(20))
def test_rounding_is_recognised(seed):
    assert verdict(noise(seed)).kind == "rounding"
    assert verdict(noise(seed, growth=1e6)).kind == "rounding"


@pytest.mark.parametrize("step", [EARLY, 30])
def test_a_leap_as_at_a_kink_is_rounding_later_on(step):
    leap = noise(0)
    leap[step:] += 1e-3
    assert verdict(leap).kind == "rounding"


def test_a_mistake_in_the_first_gradient():
    wrong = noise(0)
    wrong[0] = 1e-4
    found = verdict(wrong)
    assert found.kind == "different"
    assert "at step 0" in found.reason


def test_a_mistake_in_the_optimizer_shows_at_the_second_step():
    found = verdict(1e-4 * STEPS)
    assert found.kind == "different"
    assert "at step 1" in found.reason


def test_a_loss_that_is_not_a_number_is_a_difference():
    wrong = noise(0)
    wrong[2] = np.inf
    assert verdict(wrong).kind == "different"


def test_runs_shorter_than_what_is_judged():
    assert judge({"loss": noise(0)[:2]}, STEPS[:2], eps=EPS, same_metrics=False).kind == "rounding"


def test_errors_are_judged_against_the_reference():
    found = ratios({"gradient": 4e-7, "update": 9e-6}, {"gradient": 3e-7, "update": 2e-6, "evaluation": 1e-7}, EPS)
    assert found == pytest.approx({"gradient": 4 / 3, "update": 4.5})
    assert judge_errors(found, 0.0, EPS) == [
        "the move of the weights is 4.5 times as far from the exact one as the reference's"
    ]
    assert judge_errors({}, None, EPS) == []
    assert len(judge_errors({}, 1e-4, EPS)) == 1


def test_the_norm_of_the_gradient_counts_by_itself():
    relative = {"loss": noise(0), "grad_norm": noise(0) + 1e-3}
    found = judge(relative, STEPS, eps=EPS, same_metrics=False)
    assert found.kind == "different"
    assert "norm of the gradient" in found.reason
