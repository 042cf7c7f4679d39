"""torchvision's networks, wholly on handmade parts: nothing of torch's own is left, and they compute the same."""

import copy

import pytest
import torch
import torchvision

import conceptlab as cl
from conceptlab.verify.closeness import check_same

pytestmark = pytest.mark.slow

NETWORKS = {
    "resnet18": {},
    "vgg11_bn": {},
    "mobilenet_v2": {},
    "densenet121": {},
    "googlenet": {"init_weights": True, "aux_logits": False},
}
SEEDS = (0, 1, 2, 3)
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
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)).to(dtype)


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
    # a bias before a batch normalization has no effect, and its gradient is rounding alone
    noise = 1e-13 * max(tensor.abs().max().item() for tensor in theirs)
    check_same(ours, theirs, "logits, gradients and buffers", noise=noise, strides=False)


@MODES
def test_in_float32_the_errors_are_as_small_as_torchs_own(networks, training):
    theirs, ours = [], []
    for seed in SEEDS:
        exact = outcome(networks[0], torch.float64, seed, training=training)
        for network, errors in zip(networks, (theirs, ours), strict=True):
            inexact = outcome(network, torch.float32, seed, training=training)
            errors.append([relative_error(x, y) for x, y in zip(inexact, exact, strict=True)])
    # The best of the seeds. A ReLU whose input lies within rounding of zero is open in one precision and shut in the
    # other, and all gradients below it are off by far more than rounding: in torch's own network no less than in ours.
    best = [[min(of_seeds) for of_seeds in zip(*errors, strict=True)] for errors in (ours, theirs)]
    worse = [n for n, (a, b) in enumerate(zip(*best, strict=True)) if a > 4 * b + torch.finfo(torch.float32).eps]
    assert not worse, [(n, best[0][n], best[1][n]) for n in worse]


def relative_error(inexact, exact):
    """The root mean square of the error, relative to that of the exact tensor."""
    return ((inexact.double() - exact).norm() / exact.norm()).item()
