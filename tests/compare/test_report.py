"""From run folders to report.json and report.html."""

import json
import re
from html.parser import HTMLParser

import pytest

from conceptlab.compare.report import build, write_report
from conceptlab.compare.runs import describe, read_run, read_runs
from conceptlab.tasks.exhibits import Heatmap, Lines, Text

from .runs import STEPS, make_run, measured, rounding

VOID = {"meta", "br", "link", "img", "input", "hr"}


def page_of(folder):
    write_report(read_runs([folder]), folder)
    return (folder / "report.html").read_text()


def report_of(folder):
    return build(read_runs([folder]))


@pytest.fixture
def pair(tmp_path):
    """A comparison as `conceptlab compare` leaves it."""
    make_run(tmp_path / "builtin", measured=measured())
    make_run(tmp_path / "handmade", "handmade", factors=rounding(2), measured=measured(1.3))
    make_run(tmp_path / "yardstick", factors=rounding(3), yardstick=True)
    return tmp_path


@pytest.fixture
def sweep(tmp_path):
    """A multirun: two variants, three seeds."""
    for seed, accuracy in ((1, 0.98), (2, 0.99), (3, 1.0)):
        make_run(tmp_path / f"{seed}", seed=seed, accuracy=accuracy)
        make_run(tmp_path / f"{seed + 3}", "handmade", seed=seed, accuracy=accuracy - 0.005, factors=rounding(seed))
    return tmp_path


def test_keys_of_the_json_are_those_documented(pair):
    report = report_of(pair)
    documented = build.__globals__["__doc__"].split("and of each variant:")
    for keys, part in zip((report, report["variants"][0]), documented, strict=True):
        first_column = " ".join(re.findall(r"^\| (``.*?``) \|", part, re.MULTILINE))
        assert set(keys) == set(re.findall(r"``(\w+)``", first_column))
    assert set(report["variants"][0]) == set(report["variants"][1])


def test_json_is_strict_and_complete(pair):
    write_report(read_runs([pair]), pair)
    text = (pair / "report.json").read_text()
    report = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert report["reference"] == "builtin"
    handmade = report["variants"][1]
    assert (handmade["name"], handmade["kind"]) == ("handmade", "rounding")
    assert handmade["step_ms"]["ratio"] == pytest.approx(1.3)
    assert handmade["error_ratios"] == {"gradient": 1.0, "evaluation": 1.0, "update": 1.0}
    assert len(handmade["runs"][0]["series"]["loss"]) == STEPS
    assert handmade["runs"][0]["seconds"] == 10.5
    assert ["precision", "32-true"] in report["conditions"]
    assert handmade["runs"][0]["verdict"]["differences"]["loss"]["first_step"] == 0
    assert handmade["answers"]["same"]["short"] == "Yes, up to rounding"
    assert handmade["answers"]["fast"]["short"] == "1.30 × the time"


def test_page_is_well_formed_and_loads_nothing(pair):
    page = page_of(pair)
    assert not re.search(r"(src|href)=(?!\"#)|url\((?!#)|@import|https?://|<script", page)
    stack, identifiers = [], []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            identifiers.extend(value for name, value in attributes if name == "id")
            if tag not in VOID:
                stack.append(tag)

        def handle_endtag(self, tag):
            assert stack.pop() == tag

    Parser().feed(page)
    assert stack == []
    assert len(set(identifiers)) == len(identifiers)
    assert page.count("<svg") == 4
    assert "prefers-color-scheme: dark" in page
    assert "#0102" not in page
    assert "#0103" not in page


def test_page_escapes_what_it_shows(tmp_path):
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", "mypkg:<script>alert(1)</script>", factors=rounding(1))
    make_run(tmp_path / "c", "bad", state="failed", error="<b>boom</b>")
    page = page_of(tmp_path)
    assert "<script>" not in page
    assert "&lt;b&gt;boom" in page


EXHIBITS = (
    Heatmap("confusion", "Who & what", "Rows are <true>.", [[0.25, 0.75], [0.0, 1.0]], ["a", "long name"], ["a", "b"],
            "is", "taken for", written=[["1", "3"], ["", "4"]]),
    Lines("forecasts", "Forecasts", "One step.", [1.0, 2.0, 3.0], {"truth": [1.0, 2.0, 3.0]}, {"own": [1.0, 2.0, 2.5]},
          {"linear": [0.0, 1.0, 2.0]}, "year"),
    Text("sample_000200", "To be <b>or\nnot"),
    Text("sample_000400", "to be."),
)  # fmt: skip


def test_what_a_task_had_to_show_is_shown_of_each_variant(tmp_path):
    make_run(tmp_path / "a", exhibits=EXHIBITS)
    make_run(tmp_path / "b", "handmade", factors=rounding(1), exhibits=EXHIBITS)
    variants = report_of(tmp_path)["variants"]
    for variant in variants:
        assert [(e["kind"], e["name"]) for e in variant["exhibits"]] == [
            ("heatmap", "confusion"),
            ("lines", "forecasts"),
            ("text", "sample_000200"),
            ("text", "sample_000400"),
        ]
    page = page_of(tmp_path)
    assert page.count("<svg") == 4 + 2 * 2
    assert page.count("Who &amp; what") == 4  # a heading and a label for each variant
    assert "Rows are &lt;true&gt;." in page
    assert "To be &lt;b&gt;or\nnot" in page
    assert page.count("<details open><summary>sample 000400") == 2
    assert page.count("<details><summary>sample 000200") == 2
    # a picture has its variant's colour
    assert page.count("fill: var(--variant-1); opacity: 0.75") + page.count("fill: var(--variant-1); fill-opacity") > 0
    assert not re.search(r"(src|href)=(?!\"#)", page)


def test_without_anything_to_show_there_is_no_such_section(pair):
    assert "What it looks like" not in page_of(pair)


def test_several_seeds_are_compared_seed_by_seed(sweep):
    report = report_of(sweep)
    assert [variant["name"] for variant in report["variants"]] == ["builtin", "handmade"]
    handmade = report["variants"][1]
    assert [run["verdict"]["kind"] for run in handmade["runs"]] == ["rounding"] * 3
    accuracy = handmade["metrics"]["test/accuracy"]
    assert accuracy["mean"] == pytest.approx(0.985)
    assert accuracy["std"] == pytest.approx(0.01)
    assert accuracy["gap"] == pytest.approx(-0.005)
    assert accuracy["seeds_apart"] == pytest.approx(0.02)
    assert not handmade["step_ms"]["interleaved"]
    assert handmade["step_ms"]["ratio"] == pytest.approx(8 / 6)


def test_one_seed_that_differs_decides(tmp_path):
    for seed in (1, 2):
        make_run(tmp_path / f"b{seed}", seed=seed)
        make_run(tmp_path / f"h{seed}", "handmade", seed=seed, factors=rounding(1) if seed == 1 else 1.01)
    handmade = report_of(tmp_path)["variants"][1]
    assert handmade["kind"] == "different"
    assert "Seed 2" in handmade["answers"]["same"]["long"]


def test_a_seed_that_the_reference_lacks_is_not_compared(tmp_path):
    make_run(tmp_path / "a", seed=1)
    make_run(tmp_path / "b", "handmade", seed=2)
    handmade = report_of(tmp_path)["variants"][1]
    assert handmade["kind"] is None
    assert handmade["answers"]["same"]["short"] == "Not compared"


def test_reference_is_the_first_where_builtin_is_missing_or_failed(tmp_path):
    make_run(tmp_path / "a", state="failed", error="RuntimeError: out of memory")
    make_run(tmp_path / "b", "handmade")
    make_run(tmp_path / "c", "naive", factors=rounding(1))
    report = report_of(tmp_path)
    assert report["reference"] == "handmade"
    assert [variant["name"] for variant in report["variants"]] == ["handmade", "naive"]
    assert [(run["variant"], run["state"]) for run in report["failed"]] == [("builtin", "failed")]
    page = page_of(tmp_path)
    assert "out of memory" in page


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (measured(error=1.5e-6), "move of the weights is 5.0 times as far"),
        (measured(batches_apart=1e-3), "batches differ by 1.0e-03"),
    ],
)
def test_single_steps_that_are_wrong_are_a_difference_whatever_the_curves_say(tmp_path, found, words):
    make_run(tmp_path / "a", measured=measured())
    make_run(tmp_path / "b", "handmade", factors=rounding(1), measured=found)
    handmade = report_of(tmp_path)["variants"][1]
    assert handmade["kind"] == "different"
    assert words in handmade["answers"]["same"]["long"]


def test_an_error_below_one_rounding_of_the_reference_counts_as_one(tmp_path):
    exact = measured() | {"errors": {"gradient": 0.0}}
    make_run(tmp_path / "a", measured=exact)
    make_run(tmp_path / "b", "handmade", factors=rounding(1), measured=measured())
    assert report_of(tmp_path)["variants"][1]["error_ratios"]["gradient"] == pytest.approx(3e-7 * 2**23)


def test_one_variant_alone(tmp_path):
    make_run(tmp_path / "a")
    assert "nothing to compare" in page_of(tmp_path)


def test_nothing_finished(tmp_path):
    make_run(tmp_path / "a", state="failed", error="boom")
    with pytest.raises(ValueError, match="at least one run that finished"):
        report_of(tmp_path)


def test_folder_without_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match="which has none"):
        read_runs([tmp_path])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_runs([tmp_path / "nowhere"])


def test_a_run_that_was_killed_in_the_middle_of_a_line(tmp_path):
    run = make_run(tmp_path / "a")
    steps = run / "steps.csv"
    steps.write_text(steps.read_text()[:-7])
    assert len(read_run(run).series["step"]) == STEPS - 1
    for name in ("metrics.json", "swap.json", "timing.json", "steps.csv"):
        (run / name).unlink()
    assert not read_run(run).finished


def test_a_loss_that_is_not_a_number(tmp_path):
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", "handmade", factors=float("nan"))
    write_report(read_runs([tmp_path]), tmp_path)
    handmade = json.loads((tmp_path / "report.json").read_text())["variants"][1]
    assert handmade["kind"] == "different"
    assert handmade["runs"][0]["series"]["loss"][0] is None


def test_lower_precision_allows_more(tmp_path):
    make_run(tmp_path / "a", precision="bf16-mixed")
    make_run(tmp_path / "b", "handmade", factors=rounding(1, scale=1e3), precision="bf16-mixed")
    assert report_of(tmp_path)["variants"][1]["kind"] == "rounding"


def test_longer_than_the_page_is_wide(tmp_path):
    make_run(tmp_path / "a", steps=3000)
    make_run(tmp_path / "b", "handmade", steps=3000)
    assert len(page_of(tmp_path)) < 200_000
    assert report_of(tmp_path)["variants"][1]["kind"] == "exact"


def test_parts_in_words():
    assert describe("naive") == "naive"
    assert describe({"Conv2d": "naive"}) == "Conv2d=naive"
