"""Initializers, optimizers and transforms are made of elementary operations. (For other functions it is a check.)"""

import pytest
import torch

from conceptlab.core import registry
from conceptlab.swapping.audit import foreign_operations

BY_HAND = [(part, tier) for part in registry.parts.values() for tier in part.tiers if tier != "builtin"]


def cases(home):
    return [pytest.param(part, tier, id=f"{part.name}-{tier}") for part, tier in BY_HAND if part.home == home]


@pytest.mark.parametrize(("part", "tier"), cases("torch.nn.init"))
def test_initializer(part, tier):
    if part.name == "calculate_gain":
        pytest.skip("no tensors")
    arguments = {"constant_": (0.5,)}.get(part.name, ())
    # drawn in place, into a tensor that is not differentiated
    weight = torch.zeros(5, 4).long() if part.name in ("constant_", "zeros_", "ones_") else torch.zeros(5, 4)
    found = foreign_operations(lambda *a: part.tiers[tier](weight, *a), arguments)
    # draws again until all are in the range, which it has to look at: as torch's own does
    assert found == ({"forward": ["_local_scalar_dense"]} if part.name == "trunc_normal_" else {})


@pytest.mark.parametrize(("part", "tier"), cases("torch.optim"))
@pytest.mark.parametrize("options", [{}, {"maximize": True, "weight_decay": 0.1}], ids=["plain", "options"])
def test_optimizer(part, tier, options):
    weight = torch.nn.Parameter(torch.randn(5, 4))
    optimizer = part.tiers[tier]([weight], lr=0.1, tier=tier, **options)
    for _ in range(3):
        weight.grad = torch.randn(5, 4)
        assert foreign_operations(optimizer.step) == {}


TRANSFORMS = {
    "Pad": (2,),
    "CenterCrop": (4,),
    "RandomCrop": (4,),
    "Resize": (5,),
    "RandomResizedCrop": (4,),
    "RandomHorizontalFlip": (1.0,),
    "RandomVerticalFlip": (1.0,),
    "RandomRotation": (30,),
    "RandomAffine": (30,),
    "Normalize": ([0.5] * 3, [0.2] * 3),
    "ColorJitter": (0.5, 0.5, 0.5, 0.2),
    "GaussianBlur": (3,),
    "RandomErasing": (1.0,),
}


@pytest.mark.parametrize(("part", "tier"), cases("torchvision.transforms.v2"))
def test_transform(part, tier):
    torch.manual_seed(0)
    cls = part.tiers[tier]
    if part.name in ("MixUp", "CutMix"):
        transform, inputs = cls(num_classes=3, tier=tier), (torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))
    else:
        transform, inputs = cls(*TRANSFORMS[part.name], tier=tier), (torch.rand(3, 8, 8),)
    found = {name for names in foreign_operations(transform, inputs).values() for name in names}
    # the draws become Python's numbers, as in torchvision; those of MixUp and CutMix come from a Beta distribution
    assert found <= {"_local_scalar_dense", "_sample_dirichlet"}
