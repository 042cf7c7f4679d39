"""What is slow here is complete where the others are samples: `make test-complete` runs it, `make test` does not.

What takes a second each, and many of them, is left out of the inner loop alone.
"""

from pathlib import Path

import pytest

SAMPLED = ("test_no_false_alarm.py", "test_mutants.py")
"""Say by themselves which of their cases are the sample."""

LONG = ("test_museum.py", "test_own_samples.py", "test_causes.py", "test_not_applicable.py")
"""One defect after the other."""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        if item.get_closest_marker("slow") and item.path.name not in SAMPLED:
            item.add_marker(pytest.mark.complete)
        if item.path.name in LONG:
            item.add_marker(pytest.mark.slow)
