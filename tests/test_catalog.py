"""The table of parts in the README: up to date, and every link in it leads to a folder."""

import re

from conceptlab import catalog
from conceptlab.core import registry


def test_the_table_is_what_would_be_written():
    readme = catalog.README.read_text()
    assert readme.count(catalog.BEGIN) == readme.count(catalog.END) == 1
    assert readme == catalog.with_table(readme), "run `python -m conceptlab.catalog`"


def test_every_part_is_in_the_table():
    cells = catalog.table()
    assert [name for name in registry.parts if f"`{name}`" not in cells] == []
    links = re.findall(r"\]\((.+?)\)", cells)
    assert len(links) == len(registry.concepts)
    assert all((catalog.README.parent / link).is_dir() for link in links)
