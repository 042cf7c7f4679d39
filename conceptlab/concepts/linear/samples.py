"""Calls of linear layers whose speed is measured."""

import torch

from conceptlab.core.samples import Case


def _layer(network: str, rows: int, in_features: int, out_features: int) -> Case:
    return Case("Linear", network, lambda: (torch.randn(rows, in_features),), init_args=(in_features, out_features))


BENCH = (
    _layer("LeNet, first", 64, 400, 120),
    _layer("LeNet, last", 64, 84, 10),
    _layer("MLP", 128, 784, 512),
    _layer("ResNet-18, head", 64, 512, 1000),
    Case("Linear", "GPT, block", lambda: (torch.randn(4, 64, 128),), init_args=(128, 512)),
    Case("linear", "MLP", lambda: (torch.randn(128, 784), torch.randn(512, 784), torch.randn(512))),
    Case("linear", "GPT, block", lambda: (torch.randn(4, 64, 128), torch.randn(512, 128), torch.randn(512))),
)
