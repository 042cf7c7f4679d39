"""``conceptlab bisect``: what it prints, its exit status, and each mistake in one line."""

import sys
import types

import pytest
import torch
from torch import nn

from conceptlab.compare.bisect import settings


class Rough(nn.BatchNorm2d):
    """Adds a little to the second one of the network's two layers."""

    def forward(self, input):
        output = super().forward(input)
        return output * (1 + 1e-6) if self.num_features == 64 else output


class Forgets(nn.Conv2d):
    """Its bias's gradient is lost."""

    def forward(self, input):
        return self._conv_forward(input, self.weight.detach(), self.bias)


class Raises(nn.Conv2d):
    """Does not run."""

    def forward(self, input):
        raise KeyError("in two\nlines")


class Grown(nn.ReLU):
    """Has another state than torch's."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.slope = nn.Parameter(torch.zeros(()))


@pytest.fixture(autouse=True)
def mypkg(monkeypatch):
    """The classes, to be named by an import path."""
    module = types.ModuleType("mypkg")
    vars(module).update(Rough=Rough, Forgets=Forgets, Raises=Raises, Grown=Grown)
    monkeypatch.setitem(sys.modules, "mypkg", module)


def test_parts_that_are_the_same(conceptlab, in_folder):
    code, out, err = conceptlab("bisect", "experiment=digits_cnn", "a=builtin", "b=handmade")
    assert (code, err) == (0, "")
    assert "No difference in " in out
    assert "backward  model.0" in out
    assert list(in_folder.iterdir()) == []


def test_a_broken_part_is_named(conceptlab):
    code, out, _ = conceptlab("bisect", "experiment=digits_cnn", "b=builtin", "b.BatchNorm2d=mypkg:Rough")
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("They part forward at model.8: its output differs by 1.0e-06, with 1.0e-09 allowed. ")
    assert last.endswith(f"a: torch.nn.BatchNorm2d, b: {__name__}.Rough.")
    # between the same two of them there is no difference
    code, out, _ = conceptlab(
        "bisect", "experiment=digits_cnn", "a.BatchNorm2d=mypkg:Rough", "b.BatchNorm2d=mypkg:Rough"
    )
    assert code == 0


def test_a_mapping_and_another_dtype(conceptlab):
    code, out, _ = conceptlab("bisect", "experiment=digits_cnn", 'b={default: handmade, Conv2d: "mypkg:Forgets"}')
    assert code == 1
    assert "backward" in out.splitlines()[-1]
    assert "its gradient of weight differs in kind (only a has one)" in out
    code, out, _ = conceptlab("bisect", "experiment=digits_softmax", "--dtype", "float32")
    assert code == 0


def test_settings():
    assert settings([])[0] == {"a": {"default": "builtin"}, "b": {"default": "handmade"}}
    sides, rest = settings(["b.relu=naive", "b=builtin", "b.Conv2d=naive", "a={default: naive}", "model=lenet"])
    assert sides == {"a": {"default": "naive"}, "b": {"default": "builtin", "Conv2d": "naive"}}
    assert rest == ["model=lenet"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["experiment=digits_cnm"], "Did you mean 'digits_cnn'?"),
        (["b=handmde"], "b.default: expected a tier, or an import path 'module:object', received 'handmde'"),
        (["b.relu=niave"], "b.relu: expected a tier, or an import path 'module:object', received 'niave'"),
        (["a.convolutoin=naive"], "a.convolutoin: expected the name of a concept or part"),
        (["b.Conv2d=nowhere:Conv2d"], "b.Conv2d: expected an import path"),
        (["b=builtin,naive"], "b: expected one setting of parts, received b=builtin,naive"),
        (["~b"], "b: expected one setting of parts"),
        (["b.relu=3"], "b: expected one setting of parts, received b.relu=3"),
        (["parts=naive"], "bisect: expected settings that both share, received parts=naive. Give the parts to compare"),
        (["optimizer.lrr=3"], "Did you mean 'lr'?"),
        (["experiment=folder_cnn"], "data.root=FOLDER"),
        (["experiment=digits_cnn", "b.Conv2d=mypkg:Raises"], "model_b, model.0 (Raises): expected a forward pass"),
        (["experiment=digits_cnn", "b.ReLU=mypkg:Grown"], "slope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_status_2(conceptlab, in_folder, arguments, words):
    code, out, err = conceptlab("bisect", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("conceptlab: ")
    assert words in err
    assert len(err.splitlines()) == 1
    assert list(in_folder.iterdir()) == []
