"""The report as a page: one file, which loads nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
import yaml

from conceptlab.compare import differences, figures, words
from conceptlab.compare.differences import LABEL, QUANTITIES

Row = Mapping[str, Any]


def render(report: Mapping[str, Any]) -> str:
    """The page for a report as it is in ``report.json``."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("conceptlab.compare", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= words.FILTERS | {
        "by_part": by_part,
        "quantity": LABEL.get,
        "swapped": swapped,
        "texts": _texts,
        "widest": _widest,
        "yaml": lambda configuration: yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True),
    }
    return environment.get_template("report.html.j2").render(
        report=report,
        figures=draw(report),
        exhibits=exhibits(report),
        start=differences.START,
        early=differences.EARLY,
        error_ratio=differences.ERROR_RATIO,
    )


def draw(report: Mapping[str, Any]) -> dict[str, str]:
    """The page's curves, by name."""
    runs = [(index, run) for index, variant in enumerate(report["variants"]) for run in variant["runs"]]
    compared = [(index, run) for index, run in runs if run["relative"]]
    drawn = {}
    for quantity in QUANTITIES:
        name = LABEL[quantity]
        lines = [(index, _steps(run), _array(run["series"][quantity], np.nan)) for index, run in runs]
        drawn[quantity] = figures.curves(lines, f"The {name} at every step")
        if compared:
            drawn[f"growth_{quantity}"] = figures.growth(
                [(index, *_growth(run, quantity)) for index, run in compared],
                [_growth(run, quantity) for run in report["yardsticks"]],
                report["eps"],
                f"Relative difference of the {name} at every step",
            )
    return drawn


def exhibits(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the tasks had to show but texts: for each thing its title, its caption and the pictures, of each variant."""
    drawing = {"heatmap": figures.heatmap, "lines": figures.lines}
    shown: dict[str, dict[str, Any]] = {}
    for index, variant in enumerate(report["variants"]):
        for exhibit in variant["exhibits"]:
            if exhibit["kind"] not in drawing:
                continue
            entry = shown.setdefault(
                exhibit["name"], {"title": exhibit["title"], "caption": exhibit["caption"], "pictures": []}
            )
            picture = drawing[exhibit["kind"]](exhibit, index, f"{exhibit['title']}, {variant['name']}")
            entry["pictures"].append({"variant": index, "svg": picture})
    return list(shown.values())


def _texts(variant: Row) -> list[Row]:
    """What a variant has written."""
    return [exhibit for exhibit in variant["exhibits"] if exhibit["kind"] == "text"]


def _growth(run: Row, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    values = _array(run["relative"][quantity], np.inf)
    return _steps(run)[: len(values)], values


def _steps(run: Row) -> np.ndarray:
    return np.array(run["series"]["step"])


def _array(values: Sequence[float | None], absent: float) -> np.ndarray:
    return np.array([absent if value is None else value for value in values], dtype=np.float64)


def by_part(variants: Iterable[Row]) -> list[tuple[str, list[Row | None]]]:
    """For each part of a step, its row in each variant; what takes longest anywhere comes first."""
    tables = [{row["name"]: row for row in variant["where"]} for variant in variants]
    names = dict.fromkeys(name for table in tables for name in table)
    parts = [(name, [table.get(name) for table in tables]) for name in names]
    return sorted(parts, key=lambda part: -max(_total(row) for row in part[1] if row))


def swapped(swap: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """What a swap did, in a line each: the part and where it is, what became of it, how many there are."""
    lines: Counter[tuple[str, str]] = Counter()
    for target, told in swap.items():
        where = target.replace("_", " ")
        lines.update((f"{e['part']} ({where})", f"{e['before']} → {e['after']}") for e in told["swapped"])
        lines.update((f"{e['part']} ({where})", f"left: {e['reason']}") for e in told["skipped"])
        lines.update((f"note ({where})", note) for note in told["notes"])
    return [(part, what, count) for (part, what), count in lines.items()]


def _widest(tables: Iterable[Iterable[Row]]) -> float:
    return max((_total(row) for table in tables for row in table), default=0.0)


def _total(row: Row) -> float:
    return row["forward_ms"] + row["backward_ms"]
