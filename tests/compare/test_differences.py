"""The verdict: it has to tell a rounding from a mistake."""

import numpy as np
import pytest

from conceptlab.compare.differences import Difference, judge, relative_difference

EPS = 2.0**-23
STEPS = np.arange(60)


def noise(seed, scale=1.0, growth=100):
    """Relative differences as rounding makes them: an epsilon at the start, ``growth`` times as much at the end."""
    return (
        np.abs(np.random.default_rng(seed).normal(size=len(STEPS))) * EPS * scale * np.geomspace(1, growth, len(STEPS))
    )


def verdict(values, yardstick=None, same_metrics=False):
    relative = {"loss": values, "grad_norm": values}
    yard = None if yardstick is None else {"loss": yardstick, "grad_norm": yardstick}
    return judge(relative, STEPS, eps=EPS, same_metrics=same_metrics, yardstick=yard)


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
    assert verdict(noise(seed), noise(seed + 100)).kind == "rounding"
    # an experiment that amplifies faster, and both sides alike
    assert verdict(noise(seed, growth=1e6), noise(seed + 100, growth=1e6)).kind == "rounding"
    assert verdict(noise(seed)).kind == "rounding"


def test_a_mistake_in_the_first_gradient():
    wrong = noise(0)
    wrong[0] = 1e-4
    for yardstick in (noise(1), None):
        found = verdict(wrong, yardstick)
        assert found.kind == "different"
        assert "at step 0" in found.reason


def test_a_mistake_in_the_optimizer_shows_at_the_second_step():
    wrong = np.minimum(0.02 * STEPS, 1.0)
    for yardstick in (noise(1), None):
        found = verdict(wrong, yardstick)
        assert found.kind == "different"
        assert "at step 1" in found.reason


def test_a_weak_mistake_is_seen_by_the_yardstick_only():
    wrong = noise(0) + 1e-5 * STEPS  # a lost weight decay
    assert verdict(wrong, noise(1)).kind == "different"
    assert verdict(wrong).kind == "rounding"


def test_a_loss_that_is_not_a_number_is_a_difference():
    wrong = noise(0)
    wrong[30] = np.inf
    assert verdict(wrong, noise(1)).kind == "different"


def test_judged_as_far_as_the_yardstick_goes():
    wrong = noise(0)
    wrong[40:] = 0.5
    found = verdict(wrong, noise(1)[:30])
    assert (found.kind, found.judged_steps) == ("rounding", 30)


def test_the_norm_of_the_gradient_counts_by_itself():
    relative = {"loss": noise(0), "grad_norm": noise(0) + 1e-3}
    found = judge(relative, STEPS, eps=EPS, same_metrics=False)
    assert found.kind == "different"
    assert "norm of the gradient" in found.reason
