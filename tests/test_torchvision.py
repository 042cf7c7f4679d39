"""torchvision's networks, wholly on handmade parts: nothing of torch's own is left, and they compute the same."""

import copy
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.googlenet import BasicConv2d

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
SEEDS = 4
TRIES = 200
MODES = pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])


@pytest.fixture(scope="module", params=NETWORKS)
def networks(request):
    """A network on torch's parts, and on handmade ones."""
    torch.manual_seed(0)
    builtin = torchvision.models.get_model(request.param, weights=None, num_classes=10, **NETWORKS[request.param])
    handmade = copy.deepcopy(builtin)
    cl.swap(handmade, "handmade", functions=True)
    return builtin, handmade


def images(seed):
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


class Run:
    """A network in one precision, which starts from the same state each time; and what its gates decide.

    A gate is what has a kink: a ReLU is open or shut, a max pooling takes one of its inputs.
    """

    def __init__(self, network, dtype, *, training):
        self.network = copy.deepcopy(network).to(dtype).train(training)
        self.dtype, self.training = dtype, training
        self.start = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        self.gates = []
        for name, module in self.network.named_modules():
            # DenseNet calls its last ReLU as a function, after its `features`; GoogLeNet all of its, in BasicConv2d
            if isinstance(module, (nn.ReLU, nn.ReLU6, nn.MaxPool2d, BasicConv2d)) or name == "features":
                module.register_forward_hook(self._decided)

    def _decided(self, module, inputs, output):
        if isinstance(module, nn.MaxPool2d):
            window = module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
            self.gates.append(F.max_pool2d(inputs[0].detach(), *window, return_indices=True)[1])
        else:
            self.gates.append((output > 0) & (output < 6) if isinstance(module, nn.ReLU6) else output > 0)

    def forward(self, seed):
        """The logits."""
        self.gates.clear()
        self.network.load_state_dict(self.start, strict=False)
        torch.manual_seed(seed)  # of dropout, whose mask is drawn in float32 whatever the precision
        return self.network(images(seed).to(self.dtype))

    def outcome(self, logits, seed):
        """Logits and gradients; of a training step also the buffers afterwards."""
        upstream = torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed + 1000)).to(self.dtype)
        gradients = torch.autograd.grad(logits, list(self.network.parameters()), upstream)
        return [logits.detach(), *gradients, *self._statistics().values()]

    def names(self):
        """Of the tensors of an outcome."""
        return ["the logits", *(name for name, _ in self.network.named_parameters()), *self._statistics()]

    def _statistics(self):
        moving = self.network.named_buffers() if self.training else ()
        return {name: buffer for name, buffer in moving if buffer.is_floating_point()}


@MODES
def test_nothing_of_torchs_own_is_left(networks, training):
    report = cl.audit(networks[1].train(training), images(0))
    assert not report.leaks, report


@MODES
def test_in_float64_it_is_the_same(networks, training):
    runs = [Run(network, torch.float64, training=training) for network in networks]
    theirs, ours = (run.outcome(run.forward(0), 0) for run in runs)
    # a bias before a batch normalization has no effect, and its gradient is rounding alone
    noise = 1e-13 * max(torch.linalg.vector_norm(tensor, torch.inf).item() for tensor in theirs)
    check_same(ours, theirs, "logits, gradients and buffers", noise=noise, strides=False)


@MODES
def test_in_float32_the_errors_are_as_small_as_torchs_own(networks, training):
    """The root mean square of the errors against float64, a tensor at a time, the seeds pooled.

    A ReLU whose input lies within rounding of zero is open in one precision and shut in the other, and all gradients
    below it are off by far more than rounding, in torch's own network no less than in ours: one such gate in a million
    outweighs all rounding. So a seed counts only if every gate, on both sides, is as in float64. A network that rounds
    badly moves its gates in nearly every seed, and not enough of them are left.
    """
    oracle = Run(networks[0], torch.float64, training=training)
    theirs, ours = sides = [Run(network, torch.float32, training=training) for network in networks]
    moved, seeds, squares = Counter(), [], []
    for seed in range(TRIES):
        logits = [run.forward(seed) for run in (oracle, *sides)]
        wrong = [run for run in sides if not all(map(torch.equal, run.gates, oracle.gates))]
        moved.update(wrong)
        if not wrong:
            seeds.append(seed)
            exact, *inexact = (run.outcome(y, seed) for run, y in zip((oracle, *sides), logits, strict=True))
            squares.append([squared_errors(exact, tensors) for tensors in inexact] + [squared(exact)])
        if len(seeds) == SEEDS:
            break
    told = f"{len(seeds)} seeds; gates moved in {moved[theirs]} others of torch's own network, in {moved[ours]} of ours"
    assert len(seeds) == SEEDS, told
    theirs_rms, ours_rms, oracle_rms = torch.tensor(squares, dtype=torch.float64).sum(0).sqrt()
    # at most 4 if and only if ours ≤ 4 · theirs + eps · oracle; that all have the same number of elements cancels
    ratios = ours_rms / (theirs_rms + torch.finfo(torch.float32).eps / 4 * oracle_rms)
    largest, name = ratios.max().item(), oracle.names()[ratios.argmax()]
    print(f"largest error ratio {largest:.2f}, of {name}; {told}")
    assert largest <= 4, f"{largest:.3g} times torch's own error in {name}, and more than 4 in {(ratios > 4).sum()}"


def squared(tensors):
    return [sum(block.square().sum().item() for block in blocks(tensor)) for tensor in tensors]


def squared_errors(exact, inexact):
    pairs = [zip(blocks(x), blocks(y), strict=True) for x, y in zip(exact, inexact, strict=True)]
    return [sum((y.double() - x).square().sum().item() for x, y in pair) for pair in pairs]


def blocks(tensor):
    """Parts that stay in the cache: of VGG, one matrix alone has a hundred million weights."""
    return tensor.flatten().split(2**16)
