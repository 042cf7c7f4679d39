"""Whole training steps: forward, loss, backward and optimizer, on torch's parts and on a tier's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torchvision
from torch import nn

from conceptlab.bench.stopwatch import interleaved
from conceptlab.models import GPT, CharRNN
from conceptlab.swapping import swap

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Network:
    """A network whose training step is measured.

    Attributes:
        build: makes it.
        batch: draws a batch of inputs, and of targets for cross-entropy.
        optimizer: built of the parameters.
    """

    build: Callable[[], nn.Module]
    batch: Callable[[], Batch]
    optimizer: Callable[..., torch.optim.Optimizer]


def _images(*shape: int) -> Callable[[], Batch]:
    """Images (B, C, H, W), each of one of ten classes."""
    return lambda: (torch.randn(shape), torch.randint(10, shape[:1]))


def _text(*shape: int) -> Callable[[], Batch]:
    """Characters (B, T), and those after them."""
    return lambda: (torch.randint(CHARACTERS, shape), torch.randint(CHARACTERS, shape))


def _lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def _resnet18_cifar() -> nn.Module:
    network = torchvision.models.resnet18(num_classes=10)
    # the usual form for 32×32 images, as in He et al., section 4.2: no early reduction
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


CHARACTERS = 65
"""How many tiny Shakespeare has."""

_sgd = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
_adamw = partial(torch.optim.AdamW, lr=0.003, betas=(0.9, 0.99))

NETWORKS = {
    "lenet": Network(_lenet, _images(64, 1, 28, 28), _sgd),
    "resnet18-cifar": Network(_resnet18_cifar, _images(16, 3, 32, 32), _sgd),
    # those of the experiments text_gpt and text_lstm
    "gpt": Network(partial(GPT, CHARACTERS, context=64), _text(12, 64), partial(_adamw, weight_decay=0.1)),
    "char_lstm": Network(partial(CharRNN, CHARACTERS), _text(12, 64), _adamw),
}


def step_ratio(name: str, tier: str, device: str = "cpu", rounds: int = 11) -> tuple[float, list[float]]:
    """The time of a training step as a multiple of torch's own, and the two times in seconds."""
    seconds = interleaved([_step(NETWORKS[name], t, device) for t in (tier, "builtin")], rounds=rounds, device=device)
    return seconds[0] / seconds[1], seconds


def _step(network: Network, tier: str, device: str) -> Callable[[], None]:
    torch.manual_seed(0)
    model = network.build().to(device)
    optimizer = network.optimizer(model.parameters())
    loss = nn.CrossEntropyLoss()
    if tier != "builtin":
        swap(model, tier, functions=True)
        for target in (loss, optimizer):
            swap(target, tier)
    x, y = (each.to(device) for each in network.batch())

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x).flatten(0, -2), y.flatten()).backward()
        optimizer.step()

    return step
