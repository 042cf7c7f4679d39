"""The report in words: its first lines, and how numbers are written."""

import math
from collections.abc import Mapping
from typing import Any

from conceptlab.compare.differences import LABEL

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def answers(variant: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Same or not, how close, how fast: each with a few words (``short``) and a sentence or two (``long``)."""
    return {
        "same": _same(variant, reference),
        "close": _close(variant, reference),
        "fast": _fast(variant, reference),
    }


def _same(variant: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, str]:
    short = {
        "exact": "Yes, to the last bit",
        "rounding": "Yes, up to rounding",
        "different": "No",
        None: "Not compared",
    }[variant["kind"]]
    judged = [run for run in variant["runs"] if run["verdict"]]
    if not judged:
        return {"short": short, "long": f"{reference['name']} has no finished run with the same seed."}
    # the seed that decided
    worst = max(judged, key=lambda run: ("exact", "rounding", "different").index(run["verdict"]["kind"]))
    verdict = worst["verdict"]
    steps = verdict["differences"]["loss"]["steps"]
    if verdict["kind"] == "exact":
        long = f"Loss and gradient norm are {reference['name']}'s at all {steps} steps, bit for bit."
    else:
        long = f"{_beginning(verdict)} {_sentence(verdict['reason'])}"
    if variant["kind"] == "rounding":
        long += (
            " Single steps are as exact as the reference's, by float64."
            if variant["error_ratios"]
            else " Nothing else was measured: this sees a wrong gradient or optimizer, not every mistake."
        )
    long = " ".join([*map(_sentence, variant["doubts"]), long])
    if len(judged) > 1:
        long += f" (Seed {worst['seed']}, the least equal of {len(judged)} seeds.)"
    return {"short": short, "long": long}


def _beginning(verdict: Mapping[str, Any]) -> str:
    first = {name: d for name, d in verdict["differences"].items() if d["first_step"] is not None}
    if not first:
        return ""
    name, difference = min(first.items(), key=lambda item: item[1]["first_step"])
    return (
        f"The first difference is at step {difference['first_step']}, by {power(difference['first'])} "
        f"of the {LABEL[name]}."
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _close(variant: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, str]:
    name = main_metric(variant["metrics"])
    if name is None or name not in reference["metrics"]:
        return {"short": "No metric", "long": "The runs share no final metric."}
    ours, theirs = variant["metrics"][name], reference["metrics"][name]
    values = [metric(name, spread["mean"]) for spread in (ours, theirs)]
    short = f"{values[0]}, both" if values[0] == values[1] else f"{values[0]} against {values[1]}"
    long = label(name)
    if ours["seeds_apart"] is not None:
        apart = metric(name, ours["seeds_apart"])
        long += f", the mean of {ours['seeds']} seeds, which are {apart} apart among themselves"
    long += "."
    if variant["error_ratios"]:
        name, ratio = max(variant["error_ratios"].items(), key=lambda item: item[1])
        long += (
            f" Error of single steps, against float64: at most {ratio:.2f} times {reference['name']}'s ({LABEL[name]})."
        )
    return {"short": short, "long": long}


def _fast(variant: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, str]:
    ours, theirs = variant["step_ms"], reference["step_ms"]
    if ours["ratio"] is None:
        return {"short": "Not measured", "long": "The runs logged no step time."}
    how = (
        "taken in turns, one thread" if ours["interleaved"] else "of the trainings, one after the other: a rough figure"
    )
    long = f"A training step takes {ms(ours['median'])} instead of {ms(theirs['median'])} (medians {how})."
    if variant["peak_bytes"] and reference["peak_bytes"]:
        long += f" Peak memory: {variant['peak_bytes'] / reference['peak_bytes']:.2f} times."
    return {"short": f"{ours['ratio']:.2f} × the time", "long": long}


def main_metric(metrics: Mapping[str, Any]) -> str | None:
    """The metric for the first lines: accuracy where there is one, on test data where there are some."""
    return max(metrics, key=lambda name: ("acc" in name, "test" in name, "loss" not in name), default=None)


def label(name: str) -> str:
    """A metric's name for a sentence.

    >>> label("test/accuracy")
    'Test accuracy'
    """
    words = name.replace("/", " ").replace("_", " ")
    return words[0].upper() + words[1:]


def metric(name: str, value: float | None) -> str:
    r"""A metric's value: accuracies in percent.

    >>> metric("test/accuracy", 0.9916), metric("test/loss", 0.0312)
    ('99.16\xa0%', '0.0312')
    """
    if value is None:
        return "–"
    return f"{100 * value:.2f}\N{NO-BREAK SPACE}%" if "acc" in name else number(value)


def number(value: float | None) -> str:
    """Three or four significant digits."""
    if value is None:
        return "–"
    if isinstance(value, int) or value == 0:
        return f"{value:g}"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 else power(value)


def power(value: float | None) -> str:
    """A number as digits and a power of ten.

    >>> power(1.2e-7), power(0.0), power(0.031)
    ('1.2·10⁻⁷', '0', '0.031')
    """
    if value is None or math.isinf(value):
        return "∞"
    if value == 0:
        return "0"
    if 1e-2 <= abs(value) < 1e3:
        return f"{value:.2g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}·10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def ms(value: float | None) -> str:
    """Milliseconds."""
    return "–" if value is None else f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"


def size(value: float | None) -> str:
    """Bytes.

    >>> size(3_400_000)
    '3.4 MB'
    """
    return "–" if value is None else f"{value / 1e6:.1f} MB"


def gap(value: float | None, name: str) -> str:
    """A difference between two values of a metric, with its sign."""
    return (
        "–"
        if value is None
        else metric(name, 0.0)
        if value == 0
        else f"{'+' if value > 0 else '−'}{metric(name, abs(value))}"
    )


KIND = {"exact": "equal to the last bit", "rounding": "equal up to rounding", "different": "different"}

FILTERS = {
    "gap": gap,
    "kind": KIND.get,
    "label": label,
    "metric": lambda value, name: metric(name, value),
    "ms": ms,
    "number": number,
    "power": power,
    "size": size,
}
"""What the page's template uses."""
