"""The optimizers' benchmark: the parameters of two networks, with gradients.

The settings for the checks are PyTorch's own; see `conceptlab.verify.torch_samples.optimizer_samples`.
"""

import torch

from conceptlab.core.samples import Case

_LENET = [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,)]


def _resnet18_block(inside: int, width: int) -> list[tuple[int, ...]]:
    norm: list[tuple[int, ...]] = [(width,), (width,)]
    shapes = [(width, inside, 3, 3), *norm, (width, width, 3, 3), *norm]
    return shapes if inside == width else [*shapes, (width, inside, 1, 1), *norm]


_RESNET18 = [
    *[(64, 3, 7, 7), (64,), (64,)],
    *[shape for blocks in ((64, 64), (64, 128), (128, 256), (256, 512)) for shape in _resnet18_block(*blocks)],
    *[shape for width in (64, 128, 256, 512) for shape in _resnet18_block(width, width)],
    *[(1000, 512), (1000,)],
]


def _parameters(shapes: list[tuple[int, ...]]) -> tuple[torch.nn.Parameter, ...]:
    parameters = tuple(torch.nn.Parameter(torch.randn(shape)) for shape in shapes)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return parameters


_SETTINGS = {
    "SGD": [{}, {"momentum": 0.9, "weight_decay": 5e-4}, {"momentum": 0.9, "nesterov": True}],
    "Adam": [{}, {"weight_decay": 0.1, "amsgrad": True}],
    "AdamW": [{}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True}],
    "Adagrad": [{}],
    "NAdam": [{}],
}

BENCH = tuple(
    Case(name, network, lambda shapes=shapes: _parameters(shapes), init_kwargs=setting)
    for name, settings in _SETTINGS.items()
    for setting in settings
    for network, shapes in (("LeNet", _LENET), ("ResNet-18", _RESNET18))
)
