"""The report's curves and pictures, as SVG to stand inside the page, in the page's own colours and type."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

COLOURS = 6
"""The page defines this many colours for variants, ``--variant-0`` and so on."""

POINTS = 600
"""Longer series are drawn by this many bins."""

# Matplotlib draws in stand-in colours, which become the page's variables: the page chooses light or dark.
_INK, _GRID, _YARDSTICK = "#010203", "#010204", "#010205"
_VARIANTS = [f"#0103{index:02x}" for index in range(COLOURS)]
_VARIABLES = {_INK: "--muted", _GRID: "--line", _YARDSTICK: "--yardstick"} | {
    colour: f"--variant-{index}" for index, colour in enumerate(_VARIANTS)
}

Line = tuple[int, np.ndarray, np.ndarray]
"""The number of a variant, steps, values."""


def curves(lines: Sequence[Line], title: str) -> str:
    """Curves over the steps, the reference (variant 0) broad and beneath the others, so that both show."""
    figure, axes = _panel()
    for variant, steps, values in lines:
        x, y = _binned(steps, values, np.nanmean)
        width, alpha = (6.0, 0.35) if variant == 0 else (1.3, 1.0)
        axes.plot(x, y, color=_colour(variant), linewidth=width, alpha=alpha, zorder=3 if variant == 0 else 4)
    finite = np.concatenate([values[np.isfinite(values)] for _, _, values in lines])
    if finite.size and finite.min() > 0 and finite.max() > 30 * finite.min():
        axes.set_yscale("log")
    axes.set_xlabel("step")
    return _svg(figure, title)


def growth(lines: Sequence[Line], yardsticks: Sequence[tuple[np.ndarray, np.ndarray]], eps: float, title: str) -> str:
    """Relative differences over the steps on a log axis; the lowest mark is "equal", to the last bit."""
    figure, axes = _panel()
    floor = eps / 100
    for steps, values in yardsticks:
        x, y = _binned(steps, values, np.max)
        axes.plot(x, np.clip(y, floor, 2), color=_YARDSTICK, linewidth=2.5, alpha=0.75, zorder=2)
    for variant, steps, values in lines:
        x, y = _binned(steps, values, np.max)
        axes.plot(x, np.clip(y, floor, 2), color=_colour(variant), linewidth=1.1, zorder=3)
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.6, 3)
    axes.axhline(eps, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    exponents = range(0, int(np.log10(floor)), -2)
    axes.set_yticks([*(10.0**exponent for exponent in exponents), floor])
    axes.set_yticklabels([*("1" if e == 0 else f"1e{e}" for e in exponents), "equal"])
    axes.minorticks_off()
    axes.set_xlabel("step")
    return _svg(figure, title)


def heatmap(exhibit: Mapping[str, Any], variant: int, title: str) -> str:
    """A table of numbers from 0 to 1 as shades of a variant's colour, with what is written in its cells."""
    figure, axes = _panel(figsize=(6.2, 5.2))
    axes.grid(visible=False)
    rows, columns = exhibit["rows"], exhibit["columns"]
    for y, values in enumerate(exhibit["values"]):
        for x, value in enumerate(values):
            # what cannot be seen would only make the page longer
            if value is not None and value >= 0.01:
                cell = Rectangle(
                    (x - 0.5, y - 0.5), 1, 1, facecolor=_colour(variant), alpha=min(value, 1.0), linewidth=0
                )
                axes.add_patch(cell)
    for y, cells in enumerate(exhibit["written"]):
        for x, written in enumerate(cells):
            axes.text(x, y, written, ha="center", va="center", fontsize=8, color=_INK)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    long = max(map(len, columns), default=0) > 3
    axes.set_xticks(range(len(columns)), columns, rotation=90 if long else 0)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(exhibit["column_label"])
    axes.set_ylabel(exhibit["row_label"])
    return _svg(figure, title)


def lines(exhibit: Mapping[str, Any], variant: int, title: str) -> str:
    """The truth as points, a variant's own lines in its colour, what they are held against dashed."""
    figure, axes = _panel()
    styles: dict[str, dict[str, Any]] = {
        "truth": {"color": _INK, "linestyle": "none", "marker": "o", "markersize": 3.5},
        "others": {"color": _YARDSTICK, "linewidth": 1.3, "linestyle": (0, (4, 2))},
        "own": {"color": _colour(variant), "linewidth": 1.8},
    }
    for role, style in styles.items():
        for name, values in exhibit[role].items():
            axes.plot(exhibit["x"], [np.nan if v is None else v for v in values], label=name, **style)
    axes.set_xlabel(exhibit["x_label"])
    axes.legend(frameon=False, labelcolor=_INK, fontsize=9)
    return _svg(figure, title)


def _panel(figsize: tuple[float, float] = (6.2, 3.5)) -> tuple[Figure, Axes]:
    figure = Figure(figsize=figsize, layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, which="both", length=0, labelsize=10)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_GRID)
    return figure, axes


def _colour(variant: int) -> str:
    return _VARIANTS[variant % COLOURS]


def _binned(steps: np.ndarray, values: np.ndarray, by: Callable) -> tuple[np.ndarray, np.ndarray]:
    if len(steps) <= POINTS:
        return steps, values
    bins = np.array_split(np.arange(len(steps)), POINTS)
    return np.array([steps[b].mean() for b in bins]), np.array([by(values[b]) for b in bins])


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", transparent=True)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # inside a page the names of XML are implied, identifiers have to be the page's only ones, and type is inherited
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r'(<svg) width="[^"]*" height="[^"]*"', rf'\1 role="img" aria-label="{escape(title)}"', svg, count=1)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg
