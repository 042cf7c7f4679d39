"""Everything that is shipped can be run; everything that cannot is refused in words."""

import dataclasses
import subprocess
import sys

import pytest

from conceptlab.configuration import Mistake, compose, folder, options, plain
from conceptlab.configuration.composing import groups
from conceptlab.core import registry

SHIPPED = [f"{group}={name}" for group in groups() for name in options(group)]


COMPANY = {
    "text_gpt": ("data=text", "model=gpt"),
    "text_lstm": ("model=char_rnn",),
    "reverse_seq2seq": ("data=copy", "data=reverse", "model=seq2seq"),
    "series_gru": ("data=sunspots", "model=forecaster"),
    "text_classification": ("data=docstrings", "model=text_classifier"),
}
"""What does not go with the images that are the default, and an experiment that it goes with."""


@pytest.mark.slow
@pytest.mark.parametrize("choice", SHIPPED)
def test_what_is_shipped_is_valid(choice):
    experiments = [f"experiment={name}" for name, choices in COMPANY.items() if choice in choices]
    compose([*experiments, choice])


def test_every_experiment_has_its_file_name():
    assert {name: compose([f"experiment={name}"]).name for name in options("experiment")} == {
        name: name for name in options("experiment")
    }


def test_the_configuration_is_beside_the_package_or_in_it():
    assert (folder() / "train.yaml").is_file()


def test_an_experiment_wins_over_the_groups_and_the_command_line_over_it():
    assert compose(["experiment=digits_softmax"]).trainer.max_epochs == 30
    assert compose(["experiment=digits_softmax", "trainer=ddp"]).trainer.max_epochs == 30
    assert compose(["experiment=digits_softmax", "trainer.max_epochs=2"]).trainer.max_epochs == 2


def test_every_concept_and_part_may_be_a_key_of_parts():
    names = [*registry.concepts, *registry.parts]
    assert compose([]).parts == {"default": "handmade"}
    assert compose([f"parts.{name}=handmade" for name in names]).parts.keys() == {"default", *names}
    chosen = compose(["parts=handmade", "parts.relu=naive", "parts.Linear=torch.nn:Linear"])
    assert plain(chosen)["parts"] == {"default": "handmade", "relu": "naive", "Linear": "torch.nn:Linear"}


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["experiment=digits_mpl", "trainer.max_epoch=3", "+optimizer.lrr=3", "parts=hand"])
def test_a_mistake_need_not_wait_for_the_concepts(typed):
    program = f"""
import sys
from conceptlab.configuration import Mistake, compose
try:
    compose([{typed!r}])
except Mistake:
    sys.exit("torchvision is imported" if "torchvision" in sys.modules else 0)
sys.exit("no mistake")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["experiment=digits_mpl"], "experiment=digits_mpl: .*Did you mean 'digits_mlp'"),
        (["optimizer=sdg"], "optimizer=sdg: .*Did you mean 'sgd'"),
        (["optimzer=sgd"], "optimzer: .*Did you mean 'optimizer'"),
        (["optimizer.lrr=3"], "optimizer.lrr: .*Did you mean 'lr'"),
        (["+optimizer.lrr=3"], "optimizer.lrr: .*torch.optim.Adam.*Did you mean 'lr'"),
        (["+sed=3"], "sed: .*Did you mean 'seed'"),
        (["+trainer.max_epoch=3"], "trainer.max_epoch: .*Did you mean 'max_epochs'"),
        (["+data.batchsize=3"], "data.batchsize: .*Did you mean 'batch_size'"),
        (["+callbacks.best.moniter=loss"], "callbacks.best.moniter: .*Did you mean 'monitor'"),
        (["+callbacks.mine=3"], "callbacks.mine: expected one of callbacks"),
        (["+paths.outputs=x"], "paths.outputs: .*Did you mean 'output_dir'"),
        (["digits_cnn"], "expected key=value, received 'digits_cnn'. Did you mean experiment=digits_cnn"),
        (["optimizer.lr=fast"], "optimizer.lr: expected a number.*received 'fast'"),
        (["trainer.max_epochs=many"], "trainer.max_epochs: expected .*an integer.*received 'many'"),
        (["seed=one"], "seed: expected an integer, received 'one'"),
        (["data.batch_size=3.5"], "data.batch_size: expected an integer, received 3.5"),
        (["model.hidden=[a,b]"], "model.hidden: .*received \\['a', 'b'\\]"),
        (["data.batch_size=true"], "data.batch_size: expected an integer, received True"),
        (["float32=low"], "float32: expected 'highest' or 'high', received 'low'"),
        (["seed=???"], "seed: expected a value, received none"),
        (["~data.shape"], "data.shape|shape"),
        (["model._target_=conceptlab.models.MLPP"], "model._target_: .*'MLPP' is not there.*Did you mean 'MLP'"),
        (["model._target_=conceptlb.MLP"], "model._target_: .*no such module"),
        (["model._target_=torch.pi"], "model._target_: .*Name a class or a function"),
        (["parts=handmde"], "parts=handmde: .*Did you mean 'handmade'"),
        (["parts.default=handmde"], "parts.default: .*Did you mean 'handmade'"),
        (["parts.Linaer=naive"], "parts.Linaer: .*Did you mean 'Linear'"),
        (["+parts.Linaer=naive"], "parts.Linaer: .*Did you mean 'Linear'"),
        (["parts.Linear=nowhere:Linear"], "parts.Linear: expected an import path"),
        (["parts.Linear=torch.nn:Lin"], "parts.Linear: expected an import path"),
        (["parts.Linear=torch.nn.functional:relu"], "parts.Linear: expected a subclass of"),
        (["parts.linear=7"], "parts.linear: "),
        (["name=${nmae}"], "configuration: expected references that lead somewhere"),
        (["data=text"], "configuration: .*'data.shape' not found.*a model, for instance, has to go with its data"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_words(overrides, words):
    with pytest.raises(Mistake, match=words):
        compose(overrides)


def test_a_tier_that_a_part_lacks_is_refused_where_it_was_named(monkeypatch):
    part = registry.parts["relu6"]
    monkeypatch.setitem(registry._parts, "relu6", dataclasses.replace(part, tiers={"builtin": part.torch}))
    compose(["parts=naive"])  # a default goes as far as it goes
    with pytest.raises(Mistake, match=r"parts\.relu6: expected a tier that it has, received 'naive'"):
        compose(["parts.relu6=naive"])
