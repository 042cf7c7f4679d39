"""Four classifiers of small images, from one linear layer to batch normalization and dropout.

``shape`` is (channels, height, width) of an image, ``classes`` the number of classes; the result is a logit for each,
(B, classes).
"""

import itertools
import math
from collections.abc import Sequence

from torch import nn


class Softmax(nn.Sequential):
    """Softmax regression: one linear layer; the softmax is in the loss.

    >>> Softmax((1, 8, 8), classes=10)[1].weight.shape
    torch.Size([10, 64])
    """

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(math.prod(shape), classes))


class MLP(nn.Sequential):
    """Linear layers with ReLU and dropout between them.

    Args:
        hidden: the width of each hidden layer.
        dropout: the probability with which a hidden unit is dropped in training.
    """

    def __init__(
        self, shape: Sequence[int], classes: int, hidden: Sequence[int] = (128, 64), dropout: float = 0.0
    ) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        widths = [math.prod(shape), *hidden]
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(widths[-1], classes))


class LeNet5(nn.Sequential):
    """Two convolutions with pooling, three linear layers, with today's ReLU and max-pooling.

    Source: LeCun et al., *Gradient-based learning applied to document recognition*, 1998.
    """

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        channels, height, width = shape
        flat = 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        super().__init__(
            nn.Conv2d(channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(flat, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, classes),
        )


class SmallCNN(nn.Sequential):
    """Stages of two convolutions, each followed by batch normalization and ReLU, and halved by max-pooling; then the
    average over the positions, dropout and a linear layer.

    Args:
        widths: the channels of each stage.
        dropout: the probability with which a feature is dropped in training.
    """

    def __init__(
        self, shape: Sequence[int], classes: int, widths: Sequence[int] = (32, 64), dropout: float = 0.2
    ) -> None:
        layers: list[nn.Module] = []
        channels = shape[0]
        for width in widths:
            for before in (channels, width):
                layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            channels = width
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)]
        super().__init__(*layers, *head)
