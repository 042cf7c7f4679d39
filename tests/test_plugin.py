"""A package outside adds a norm, a tier and a concept: installed, swapped in, verified. And what it may not do."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core import Concept, Function, Tiered, registry

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder in which the example is installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for file in (REPOSITORY / "tests" / "plugin_example").rglob("*"):
        if file.suffix in (".py", ".toml"):
            copy = source / file.relative_to(REPOSITORY / "tests" / "plugin_example")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True)
    return target


def run(installed: Path, program: str) -> str:
    # torch's own forward mode warns of its torch.jit.script, the compiler of 2.11 of an instance that it makes itself
    instance = "ignore:<class 'torch.autograd.function.Function'> should not be instantiated:DeprecationWarning"
    return python(installed, "-W", "error", "-W", "ignore::FutureWarning", "-W", instance, "-c", program)


def python(installed: Path, *arguments: str, cwd: Path | None = None) -> str:
    path = os.pathsep.join([str(installed), str(REPOSITORY)])
    outcome = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env={**os.environ, "PYTHONPATH": path}
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.mark.slow
def test_it_is_found_and_can_be_chosen_everywhere(installed):
    run(
        installed,
        """
import sys
import torch
import conceptlab as cl
from conceptlab.core import registry

tiers = registry.tiers
assert "torchvision" not in sys.modules  # which a concept imports
assert tiers == {tier for part in registry.parts.values() for tier in part.tiers} == registry.tiers

from conceptlab import nn
from conceptlab.nn import functional as F

assert "softshrink" in cl.registry.concepts
assert set(cl.registry.parts["linear"].tiers) >= {"builtin", "naive", "handmade", "einsum"}
x, w = torch.randn(2, 4), torch.randn(3, 4)
assert torch.allclose(F.linear(x, w, tier="einsum"), x @ w.t())
assert torch.equal(nn.Softshrink(tier="naive")(x), x - x.clamp(-0.5, 0.5))
with cl.use({"softshrink": "handmade", "linear": "einsum"}) as used:
    torch.nn.functional.softshrink(torch.nn.functional.linear(x, w))
assert used.counts == {"softshrink": 1, "linear": 1}
layer = nn.Linear(4, 3, tier="einsum")
assert layer.tier == "einsum"
""",
    )


@pytest.mark.slow
def test_its_norm_and_its_tier_are_swapped_into_a_resnet(installed):
    run(
        installed,
        """
import torch, torchvision
import conceptlab as cl

torch.manual_seed(0)
model, x = torchvision.models.resnet18().double(), torch.randn(2, 3, 64, 64, dtype=torch.float64)
state = {name: value.clone() for name, value in model.state_dict().items()}

def step():
    model.load_state_dict(state)
    model.zero_grad()
    y = model(x)
    y.square().mean().backward()
    return [y.detach(), *(p.grad.clone() for p in model.parameters()), *(b.clone() for b in model.buffers())]

theirs = step()
report = cl.swap(model, {"BatchNorm2d": "plugin_example:MyNorm", "Linear": "einsum"}, strict=True)
assert len(report.swapped) == 21, report
assert {type(m).__name__ for n, m in model.named_modules() if "bn" in n} == {"MyNorm"}
ours = step()
assert all((a - b).abs().max() <= 1e-9 * b.abs().max() for a, b in zip(ours, theirs, strict=True))
rows = cl.audit(model, x).rows
assert not [row for row in rows if row.what in ("MyNorm", "Linear") and row.is_leak]
report.undo()
assert all(torch.equal(a, b) for a, b in zip(step(), theirs, strict=True))
""",
    )


@pytest.mark.slow
def test_all_of_it_is_verified(installed):
    run(
        installed,
        """
from conceptlab.core import registry
from conceptlab.verify import checks
from conceptlab.verify.target import tier_of

for check in checks("plugin_example:MyNorm", like="BatchNorm2d"):
    if str(check) in ("behaviour", "channels_last_behaviour"):
        assert check.result().passed > 0
        check()
for name, tier in (("softshrink", "handmade"), ("softshrink", "naive"), ("Softshrink", "handmade")):
    for check in checks(tier_of(registry.parts[name], tier), like=name):
        if not check.for_full_run:
            check()
for check in checks(tier_of(registry.parts["linear"], "einsum"), like="linear"):
    if str(check) in ("values", "first_derivatives", "shifted_and_scaled", "error_inputs", "purity"):
        check()
""",
    )


@pytest.mark.slow
def test_a_wrong_norm_fails_its_checks(installed):
    run(
        installed,
        """
import plugin_example, torch
from conceptlab.verify import verify

class Biased(plugin_example.MyNorm):
    def _remember(self, mean, variance, count):
        super()._remember(mean, variance * (count - 1) / count, count)

report = verify(Biased, like="BatchNorm2d", only=["behaviour"])
assert not report.passed, "not noticed"
assert "buffers" in str(report), report
""",
    )


@pytest.mark.slow
def test_its_norm_is_swept_over(installed, tmp_path):
    norms = ["builtin", "plugin_example:MyNorm"]
    sweep = ["experiment=digits_cnn", f"parts.BatchNorm2d={','.join(norms)}"]
    short = ["trainer.max_epochs=1", "trainer.enable_progress_bar=false"]
    python(installed, "-m", "conceptlab.cli", "train", "-m", *sweep, *short, cwd=tmp_path)
    (folder,) = (tmp_path / "multirun" / "digits_cnn").iterdir()
    ran = []
    for job in ("0", "1"):
        assert json.loads((folder / job / "status.json").read_text())["state"] == "finished"
        swapped = json.loads((folder / job / "swap.json").read_text())["model"]["swapped"]
        ran.append([entry["after"] for entry in swapped if entry["part"] == "BatchNorm2d"])
    assert ran == [[], ["plugin_example:MyNorm"] * 4]

    python(installed, "-m", "conceptlab.cli", "compare", "--runs", str(folder), cwd=tmp_path)
    report = json.loads((folder / "report.json").read_text())
    variants = report["variants"]
    assert [variant["parts"] for variant in variants] == [
        {"default": "handmade", "BatchNorm2d": norm} for norm in norms
    ]
    losses = [variant["runs"][0]["series"]["loss"] for variant in variants]
    assert losses[0] != losses[1]  # it is another arithmetic
    assert losses[0][:5] == pytest.approx(losses[1][:5], rel=1e-5)  # of the same function
    assert "MyNorm" in (folder / "report.html").read_text()


def package(concept: Concept) -> types.ModuleType:
    module = types.ModuleType("somebodys.package")
    module.CONCEPT, module.__path__ = concept, []
    return module


def test_the_name_of_a_concept_that_exists_is_refused():
    with pytest.raises(ValueError, match=r"somebodys\.package.*not taken, received relu"):
        registry.add_concept("relu", package(Concept(title="x", home=F, functions={"softshrink": Function()})))
    assert "softshrink" not in registry.parts


def test_a_part_that_exists_is_refused():
    class ReLU(Tiered, torch.nn.ReLU):
        pass

    concept = Concept(title="x", home=F, functions={"relu": Function()}, classes={ReLU: "relu"})
    with pytest.raises(ValueError, match="not taken, received ReLU, relu"):
        registry.add_concept("rectified", package(concept))
    assert "rectified" not in registry.concepts


def test_a_tier_that_exists_is_refused():
    module = types.ModuleType("somebodys.tier")
    module.relu = lambda input, inplace=False: input
    before = registry.parts["relu"].tiers["handmade"]
    with pytest.raises(ValueError, match=r"tier 'handmade'.*a second 'relu'"):
        registry.add_tier("relu", "handmade", module)
    assert registry.parts["relu"].tiers["handmade"] is before


def test_a_tier_of_no_concept_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        registry.add_tier("relus", "fast", types.ModuleType("somebodys.tier"))
