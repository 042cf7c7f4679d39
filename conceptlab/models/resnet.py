"""ResNet-18 for images of 32×32 pixels: no stride and no pooling at the entrance, where torchvision's has both."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions beside a shortcut: $y = \\mathrm{relu}(f(x) + x)$, with a 1×1 convolution on $x$ where the
    shape changes.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) → (B, after, H/stride, W/stride)"""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Sequential):
    """Four stages of two blocks each; each stage doubles the channels and all but the first halve the image.

    Source: He et al., *Deep residual learning for image recognition*, 2015, section 4.2.

    Args:
        shape: channels, height and width of an image.
        classes: the number of classes.
        width: the channels of the first stage.
    """

    def __init__(self, shape: Sequence[int], classes: int, width: int = 64) -> None:
        stages: list[nn.Module] = []
        channels = width
        for stage in range(4):
            wider, stride = width * 2**stage, 1 if stage == 0 else 2
            stages.append(nn.Sequential(Block(channels, wider, stride), Block(wider, wider, 1)))
            channels = wider
        super().__init__(
            nn.Conv2d(shape[0], width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            *stages,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, classes),
        )
