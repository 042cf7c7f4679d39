"""The networks have the shapes and sizes that the literature gives."""

import pytest
import torch

from conceptlab.models import MLP, LeNet5, ResNet18, SmallCNN, Softmax


@pytest.mark.parametrize(
    ("cls", "shape", "parameters"),
    [
        (Softmax, (1, 8, 8), 650),
        (MLP, (1, 8, 8), 17226),
        (LeNet5, (1, 28, 28), 61706),
        (SmallCNN, (3, 16, 16), 66410),
        (ResNet18, (3, 32, 32), 11173962),
    ],
)
def test_logits_and_number_of_parameters(cls, shape, parameters):
    model = cls(shape, classes=10)
    assert model(torch.randn(2, *shape)).shape == (2, 10)
    assert sum(p.numel() for p in model.parameters()) == parameters
