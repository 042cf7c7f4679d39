"""Whole training steps: forward, loss, backward and optimizer, on torch's parts and on a tier's."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from torch import nn

from conceptlab.bench.stopwatch import interleaved
from conceptlab.swapping import swap


@dataclass(frozen=True)
class Network:
    """A network whose training step is measured.

    Attributes:
        build: makes it.
        shape: the shape of a batch.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]


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


NETWORKS = {
    "lenet": Network(_lenet, (64, 1, 28, 28)),
    "resnet18-cifar": Network(_resnet18_cifar, (16, 3, 32, 32)),
}


def step_ratio(name: str, tier: str, device: str = "cpu", rounds: int = 11) -> tuple[float, list[float]]:
    """The time of a training step as a multiple of torch's own, and the two times in seconds."""
    seconds = interleaved([_step(NETWORKS[name], t, device) for t in (tier, "builtin")], rounds=rounds, device=device)
    return seconds[0] / seconds[1], seconds


def _step(network: Network, tier: str, device: str) -> Callable[[], None]:
    torch.manual_seed(0)
    model = network.build().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss = nn.CrossEntropyLoss()
    if tier != "builtin":
        for target in (model, loss, optimizer):
            swap(target, tier)
    x, y = torch.randn(network.shape, device=device), torch.randint(10, network.shape[:1], device=device)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return step
