"""The stop-watch, the scales and the command, without looking at any clock."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from conceptlab.bench import command, measure
from conceptlab.bench.command import main
from conceptlab.bench.networks import NETWORKS, step_ratio
from conceptlab.bench.stopwatch import interleaved
from conceptlab.core import registry
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.memory import peak_bytes, saved_bytes

CASES = [
    pytest.param(part, case, id=f"{part.name}-{case.network}") for part, case in measure.cases([]) if part.is_class
]


def test_the_rivals_take_turns():
    calls = []
    interleaved([lambda: calls.append("a"), lambda: calls.append("b")], rounds=3)
    turns = [c for c, before in zip(calls, [None, *calls], strict=False) if c != before]
    assert turns == ["a", "b"] * 4


def test_peak_memory_counts_what_lives_at_one_time():
    x = torch.zeros(1000)
    assert peak_bytes(lambda: x + 1) == 4000
    assert peak_bytes(lambda: ((x + 1) * 2) + 3) == 8000  # each temporary goes when the next is there
    assert peak_bytes(lambda: [x + i for i in range(5)]) == 20000


def test_peak_memory_sees_the_backward_pass():
    x = torch.zeros(1000, requires_grad=True)
    assert 8000 <= peak_bytes(lambda: x.exp().sum().backward()) < 8100  # the result, its gradient, and two scalars


def test_saved_bytes_counts_each_storage_once():
    x = torch.zeros(1000, requires_grad=True)
    assert saved_bytes(lambda: x.exp()) == 4000
    assert saved_bytes(lambda: x * x) == 4000
    assert saved_bytes(lambda: x + 1) == 0


def test_the_geometric_mean_of_a_ratio_and_its_inverse_is_one():
    assert measure.geometric_mean([4.0, 0.25]) == pytest.approx(1.0)


def test_every_layer_is_measured_itself_or_by_its_function():
    measured = {part.name for part, _ in measure.cases([])}
    # schedulers set a few numbers, once in a while
    concepts = [concept for concept in registry.concepts.values() if concept.family != "optim.lr_scheduler"]
    # a stack of layers is as fast as they are
    made_on = {
        cls.__name__: (*cls.needs, *concept.inside.get(cls, ())) for concept in concepts for cls in concept.classes
    }
    missing = [name for name, needs in made_on.items() if not measured & {name, *needs}]
    assert not missing, f"add Cases to BENCH in the samples.py of their concepts: {missing}"


@pytest.mark.parametrize(("part", "case"), CASES)
def test_a_case_can_be_built(part, case):
    with torch.device("meta"):
        tensors = case.inputs()
    assert tensors
    made = part.torch(tensors, *case.init_args, **case.init_kwargs) if part.home == "torch.optim" else None
    if made is None:
        part.torch(*case.init_args, **case.init_kwargs)


@pytest.mark.slow
def test_the_command_writes_figures_and_page(tmp_path, capsys):
    json_file, page = tmp_path / "bench.json", tmp_path / "bench.md"
    assert main(["linear", "--json", str(json_file), "--markdown", str(page)]) == 0
    record = json.loads(json_file.read_text())
    assert {row["part"] for row in record["rows"]} == {"Linear", "linear"}
    assert record["geometric_mean"] > 0
    assert "| `Linear` | MLP |" in page.read_text()
    assert "Geometric mean over 2 parts" in capsys.readouterr().out


def test_an_unknown_part_is_named(capsys):
    assert main(["Linaer"]) == 2
    assert "Did you mean 'Linear'?" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "Linear", "SGD", "uniform_", "CenterCrop"])
def test_the_gate_has_a_check_for_every_kind_of_part(name):
    assert measure.fails(registry.parts[name], "handmade") is None


def test_a_tier_that_fails_its_checks_gets_no_number(monkeypatch, capsys):
    monkeypatch.setattr(measure, "fails", lambda part, tier: "the gradient is wrong")
    monkeypatch.setattr(command, "fails", measure.fails)
    assert main(["Linear"]) == 1
    out = capsys.readouterr().out
    assert "Linear fails its checks" in out
    assert "Geometric mean" not in out


def test_a_case_whose_result_differs_gets_no_number(monkeypatch):
    part, case = measure.cases(["linear"])[-1]
    wrong = {**part.tiers, "handmade": lambda input, weight, bias: nn.functional.linear(input, weight, bias) * 1.01}
    with pytest.raises(Mismatch, match="differs"):
        measure.measure(dataclasses.replace(part, tiers=wrong), "handmade", case)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_a_training_step(name):
    ratio, seconds = step_ratio(name, "builtin", rounds=1)
    assert ratio > 0
    assert all(s > 0 for s in seconds)
