"""What is slow here is complete where the others are samples: `make test-complete` runs it, `make test` does not."""

from pathlib import Path

import pytest

SAMPLED = "test_no_false_alarm.py"
"""Says by itself which of its cases are the sample."""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("slow") and item.path.name != SAMPLED:
            item.add_marker(pytest.mark.complete)
