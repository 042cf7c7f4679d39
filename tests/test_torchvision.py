"""torchvision's networks, wholly on handmade parts: nothing of torch's own is left, and they compute the same."""

import copy

import pytest
import torch
import torchvision

import conceptlab as cl
from conceptlab.verify.closeness import ErrorRatio, check_same

pytestmark = pytest.mark.slow

NETWORKS = {
    "resnet18": {},
    "vgg11_bn": {},
    "mobilenet_v2": {},
    "densenet121": {},
    "googlenet": {"init_weights": True, "aux_logits": False},
}
SEEDS = (0, 1)
MODES = pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])


@pytest.fixture(scope="module", params=NETWORKS)
def networks(request):
    """A network on torch's parts, and on handmade ones."""
    torch.manual_seed(0)
    builtin = torchvision.models.get_model(request.param, weights=None, num_classes=10, **NETWORKS[request.param])
    handmade = copy.deepcopy(builtin)
    cl.swap(handmade, "handmade", functions=True)
    return builtin, handmade


def images(seed, dtype=torch.float32):
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def outcome(network, dtype, seed, *, training):
    """Logits and gradients; of a training step also the buffers afterwards."""
    model = copy.deepcopy(network).to(dtype).train(training)
    torch.manual_seed(seed)  # of dropout, whose mask is drawn in float32 whatever the precision
    logits = model(images(seed, dtype))
    upstream = torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed + 100)).to(dtype)
    gradients = torch.autograd.grad(logits, list(model.parameters()), upstream)
    buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()] if training else []
    return [logits, *gradients, *buffers]


@MODES
def test_nothing_of_torchs_own_is_left(networks, training):
    report = cl.audit(networks[1].train(training), images(0))
    assert not report.leaks, report


@MODES
def test_in_float64_it_is_the_same(networks, training):
    theirs, ours = (outcome(network, torch.float64, 0, training=training) for network in networks)
    check_same(ours, theirs, "logits, gradients and buffers", strides=False)


@MODES
def test_in_float32_the_errors_are_as_small_as_torchs_own(networks, training):
    ratios: list[ErrorRatio] = []
    for seed in SEEDS:
        builtin, handmade = networks
        exact = outcome(builtin, torch.float64, seed, training=training)
        theirs, ours = (outcome(network, torch.float32, seed, training=training) for network in (builtin, handmade))
        ratios = ratios or [ErrorRatio() for _ in exact]
        for ratio, *tensors in zip(ratios, ours, theirs, exact, strict=True):
            ratio.add(*([tensor] for tensor in tensors))
    for number, ratio in enumerate(ratios):
        ratio.check(f"tensor {number}", torch.finfo(torch.float32).eps)
