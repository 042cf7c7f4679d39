"""On CUDA: what the other tests only simulate on a CPU. Made from the registry; skipped where there is no CUDA."""

import copy
import os
import sys

import pytest
import torch
import torchvision

import conceptlab as cl
from conceptlab import cli
from conceptlab import transforms as our_transforms
from conceptlab.core import registry
from conceptlab.verify.closeness import ErrorRatio
from conceptlab.verify.memory import peak_bytes
from conceptlab.verify.running import result_of
from conceptlab.verify.suite import checks_of
from conceptlab.verify.target import Target

DEVICE = "cuda"

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA: torch.cuda.is_available() is false"),
]

CHECKS = {
    *("values", "first_derivatives", "layouts", "precision", "half_precision", "autocast", "inductor"),
    *("behaviour", "channels_last_behaviour", "law_of_the_draw"),
    *("settings", "network", "tensor_hyperparameters", "generator"),
}
"""Those of `conceptlab.verify` that depend on the device; ``conceptlab verify --device cuda`` runs all of them."""

TARGETS = [
    Target(part, part.tiers["handmade"], "handmade", device=DEVICE)
    for part in registry.parts.values()
    if "handmade" in part.tiers
]
CASES = [(target, check) for target in TARGETS for check in checks_of(target) if check.__name__ in CHECKS]


@pytest.fixture(autouse=True)
def only_this_one():
    """A kernel that has failed fails every later call of the process: its worker ends, and another goes on."""
    yield
    try:
        torch.cuda.synchronize()
    except torch.AcceleratorError as error:
        sys.stderr.write(f"{error}\n")
        os._exit(1)


@pytest.mark.parametrize(("target", "check"), CASES, ids=[f"{target}-{check.__name__}" for target, check in CASES])
def test_handmade_part(target, check):
    result = result_of(check, target, quick=True)
    assert not result.failed, "\n".join([*result.failures[:3], result.cause, result.code, result.output])


@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "RandomVerticalFlip"])
def test_random_flips_on_the_device(name):
    transform = getattr(our_transforms, name)(p=0.5)
    x = torch.arange(48.0, device=DEVICE).reshape(3, 4, 4)
    flipped = x.flip(-1 if name == "RandomHorizontalFlip" else -2)
    results = [transform(x) for _ in range(200)]
    assert all(torch.equal(y, x) or torch.equal(y, flipped) for y in results)
    assert 60 < sum(torch.equal(y, flipped) for y in results) < 140


@pytest.fixture(scope="module")
def resnets():
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=10)
    ours = copy.deepcopy(theirs)
    cl.swap(ours, "handmade", functions=True)
    return ours, theirs


def training_step(model, dtype, channels):
    """Logits and all gradients of a step, and the memory that it took."""
    model = copy.deepcopy(model).to(DEVICE, dtype, memory_format=channels).train()
    x = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x.to(DEVICE, dtype, memory_format=channels)
    found = []

    def step():
        logits = model(x)
        torch.nn.functional.cross_entropy(logits, torch.arange(8, device=DEVICE)).backward()
        found.append(logits.detach())

    # TF32, which cuDNN's convolutions use by default, would be torch's alone
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        peak = peak_bytes(step, DEVICE)
    return [*found, *(p.grad for p in model.parameters())], peak


@pytest.mark.parametrize("channels", [torch.contiguous_format, torch.channels_last], ids=str)
def test_a_training_step_of_resnet18(resnets, channels):
    (ours, our_peak), (theirs, their_peak), (exact, _) = (
        training_step(model, dtype, channels)
        for model, dtype in ((resnets[0], torch.float32), (resnets[1], torch.float32), (resnets[1], torch.float64))
    )
    ratio = ErrorRatio(slack=2.0)
    ratio.add(ours, theirs, exact)
    # eighteen layers deep, the two errors are two draws from one distribution
    assert (sum(ratio.ours) / sum(ratio.theirs)) ** 0.5 < 4
    assert our_peak < 3 * their_peak, f"peak memory {our_peak / 2**20:.0f} MiB, torch's {their_peak / 2**20:.0f} MiB"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_an_experiment(precision, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = ["experiment=digits_cnn", "parts=handmade", "trainer=gpu", "trainer.enable_progress_bar=false"]
    assert cli.main(["train", *settings, f"trainer.precision={precision}"]) == 0
    accuracy = capsys.readouterr().out.split("test/accuracy")[1].split()[0]
    assert float(accuracy) >= 0.98
