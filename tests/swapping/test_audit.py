"""`audit`: which operations ran where, and what of torch's own is left."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import conceptlab as cl
from conceptlab.swapping.audit import PRIMITIVES, TAUGHT, Audited, AuditReport, audit, foreign_operations


def rows(report: AuditReport) -> dict[str, Audited]:
    return {row.name: row for row in report.rows}


class Block(nn.Module):
    """Calls a function, and a child twice."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 4)

    def forward(self, x):
        return F.relu(self.line(torch.exp(self.line(x))))


def test_operations_belong_to_the_innermost_module_in_forward_and_backward():
    report = rows(audit(nn.Sequential(nn.Linear(4, 4), Block()), torch.randn(2, 4)))
    assert report["0"].operations["forward"]["addmm"] == 1
    assert report["1.line"].operations["forward"]["addmm"] == 2
    assert report["0"].operations["backward"]["mm"] == 2
    assert report["1.line"].operations["backward"]["mm"] == 4


def test_double_backward_belongs_to_the_module_too():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    report = rows(audit(model, torch.randn(2, 4), double_backward=True))
    assert report["1"].operations["double backward"]["tanh_backward"] >= 1
    assert report["0"].operations["double backward"]["mm"] >= 1
    assert report["2"].operations["double backward"]["mm"] >= 1
    assert "mm" not in report["1"].operations["double backward"]


def test_layers_and_functions_of_torch_are_leaks_and_carry_their_part():
    leaks = {(row.name, row.what): row for row in audit(Block(), torch.randn(2, 4)).leaks}
    assert set(leaks) == {("", "relu"), ("line", "Linear")}
    assert leaks["", "relu"].operations["backward"] == {"detach": 1, "threshold_backward": 1}
    assert all(row.has_by_hand and row.tier == "builtin" for row in leaks.values())


def test_after_a_swap_of_layers_and_functions_nothing_leaks():
    model = Block()
    cl.swap(model, "handmade", functions=True)
    report = audit(model, torch.randn(2, 4), double_backward=True)
    assert not report.leaks
    assert rows(report)["line"].tier == "handmade"
    assert str(report).startswith("Nothing of torch's own")


def test_the_tier_builtin_of_a_part_is_torchs_own():
    model = nn.Sequential(nn.ReLU())
    cl.swap(model, "handmade")
    model[0].tier = "builtin"
    assert [row.tier for row in audit(model, torch.randn(3)).leaks] == ["builtin"]


def test_what_is_not_by_hand_is_told_apart():
    report = audit(nn.Sequential(nn.Linear(4, 3), nn.Hardshrink()), torch.randn(5, 4))
    by_hand = {row.what: row.has_by_hand for row in report.leaks}
    assert by_hand["Linear"]
    assert not by_hand["Hardshrink"]
    assert "not by hand (yet)" in str(report)


def test_an_unused_layer_is_no_leak():
    model = Block()
    model.unused = nn.ReLU()
    assert "unused" not in rows(audit(model, torch.randn(2, 4)))


def test_a_layer_that_runs_no_operation_is_a_leak_all_the_same():
    assert [row.what for row in audit(nn.Sequential(nn.ReLU6(), nn.Tanh()), torch.randn(2)).leaks][:1] == ["ReLU6"]


def test_in_place_layers_are_audited():
    report = rows(audit(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 2)), torch.randn(3, 4)))
    assert report["0"].operations["forward"]["relu"] == 1


def test_a_checkpoint_recomputes_in_the_backward_pass():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

        def forward(self, x):
            return checkpoint(self.block, x, use_reentrant=False)

    operations = rows(audit(Checkpointed(), torch.randn(2, 4)))["block.0"].operations
    assert operations["forward"]["addmm"] == 1
    assert operations["backward"]["addmm"] == 1
    assert operations["backward"]["mm"] == 2


def test_everything_is_afterwards_as_it_was():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    audit(model, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_forward_that_raises_leaves_no_hook_behind():
    with pytest.raises(RuntimeError):
        audit(nn.Linear(4, 2), torch.randn(3, 5))
    hooks = nn.modules.module
    assert not hooks._global_forward_hooks
    assert not hooks._global_forward_pre_hooks


def test_a_compiled_model_is_audited_uncompiled():
    model = nn.Sequential(nn.Linear(4, 2), torch.compile(nn.Linear(2, 2), fullgraph=True, backend="aot_eager"))
    model = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert [row.name for row in audit(model, torch.randn(3, 4)).leaks] == ["0", "1"]


def test_functions_and_keyword_arguments():
    def scaled(x, *, by):
        return F.leaky_relu(x) * by

    (leak,) = audit(scaled, torch.randn(3), by=torch.randn(3)).leaks
    assert (leak.name, leak.what) == ("", "leaky_relu")


def test_a_method_of_a_model_knows_the_names():
    model = Block()
    assert "line" in rows(audit(model.forward, torch.randn(2, 4)))


def test_inputs_that_have_no_gradient():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    assert rows(audit(model, torch.tensor([1, 2])))["1"].operations["backward"]["mm"] == 2
    assert audit(torch.argmax, torch.tensor([1, 2])).rows[0].operations["forward"] == {"argmax": 1}


class Cheat(torch.autograd.Function):
    """Elementary in forward, and torch's own in backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.masked_fill(x <= 0, 0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * torch.softmax(x, 0)


@pytest.mark.parametrize(
    ("function", "concept", "expected"),
    [
        (lambda x: x.exp().sum(), None, {}),
        (Cheat.apply, None, {"backward": ["_softmax"], "double backward": ["_softmax_backward_data"]}),
        (F.gelu, None, {"forward": ["gelu"], "backward": ["gelu_backward"], "double backward": ["gelu_backward"]}),
        (lambda x: F.pad(x, (1, 1)), None, {"forward": ["constant_pad_nd"], "backward": ["constant_pad_nd"]}),
        (lambda x: x * x.sum().item(), None, {"forward": ["_local_scalar_dense"]}),
        (lambda x: x.clamp(0), None, {}),
        (lambda x: x.detach().clamp(0), "relu", {"forward": ["clamp"]}),
        (lambda x: x.sigmoid(), "relu", {}),
        (lambda x: torch.ops.aten.sigmoid_backward(x, x), None, {"forward": ["sigmoid_backward"]}),
    ],
)
def test_foreign_operations(function, concept, expected):
    found = foreign_operations(function, (torch.rand(3),), concept=concept)
    if list(expected) == ["forward"]:
        found = {phase: names for phase, names in found.items() if phase == "forward"}
    assert found | expected == found
    assert bool(found) == bool(expected)


def test_a_concept_that_teaches_a_primitive_may_not_use_its_derivative():
    assert foreign_operations(torch.tanh, (torch.rand(3),)) == {}
    found = foreign_operations(torch.tanh, (torch.rand(3),), concept="sigmoid")
    assert found["forward"] == ["tanh"]
    assert found["backward"] == ["tanh_backward"]


def test_the_lists_name_nothing_twice_and_teach_only_primitives():
    names = [name for section in PRIMITIVES.values() for name in section]
    assert len(names) == len(set(names))
    assert all(taught <= set(names) for taught in TAUGHT.values())


def test_the_list_is_the_one_that_was_agreed():
    file = Path(__file__).parents[2].parent / "shared" / "primitives.txt"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    sections = dict(re.findall(r"^\[(.+)\]\n((?:.+\n)+)", file.read_text(), re.MULTILINE))
    agreed = {name for section in list(sections)[:11] for name in sections[section].split()}
    # a dtype, a refusal that waits for no device, and what puts a sparse gradient together
    added = {"promote_types", "_assert_async", "_sparse_coo_tensor_with_dims_and_tensors", "sparse_mask", "_values"}
    assert {name for section in PRIMITIVES.values() for name in section} - agreed == added
    assert agreed <= {name for section in PRIMITIVES.values() for name in section}
