"""Every notebook runs from its first cell to its last, and what its text promises is what comes out."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.slow


def executed(path):
    """What each of its code cells printed."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(o.text for o in cell if o.output_type == "stream" and o.name == "stdout") for cell in outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


def test_swap_a_part():
    (path,) = [path for path in NOTEBOOKS if path.stem == "01_swap_a_part"]
    *_, checked, _, swapped, _, compared, mended = executed(path)
    values, gradient, second = checked.splitlines()
    assert "right on" in values
    assert "WRONG" in gradient
    assert "WRONG" in second
    assert swapped.count("2 Tanh builtin -> ") == 2
    accuracy, first_step, apart = figures(compared)
    assert first_step["mine"] < 1e-6
    assert apart["handmade"] < 1e-3 < 0.1 < apart["mine"]
    assert 0.5 < accuracy["mine"] < accuracy["builtin"] - 0.05  # it learns, only worse
    assert abs(accuracy["handmade"] - accuracy["builtin"]) < 0.01
    assert mended.count("right on") == 3
    assert figures(mended)[2]["mended"] < 1e-3


def figures(printed):
    """Accuracy, distance at the first step and largest distance, by name."""
    pattern = r"(\w+) +accuracy (\S+); loss apart from builtin: first step (\S+), all (\S+)"
    rows = re.findall(pattern, printed)
    return [{row[0]: float(row[column]) for row in rows} for column in (1, 2, 3)]
