"""docs/conformance.md, which `make verify` writes, has not fallen behind."""

import re
from pathlib import Path

from conceptlab.verify.command import jobs_of

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()


def test_every_part_is_there_in_every_tier():
    assert re.findall(r"^\| (\w+-\w+) \|", PAGE, re.M) == list(map(str, jobs_of([])))
