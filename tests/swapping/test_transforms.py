"""Swapping transforms, in a Compose too."""

import pytest
import torch
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2

import conceptlab as cl


class Marked(v2.CenterCrop):
    def transform(self, inpt, params):
        return super().transform(inpt, params) + 1


class Own(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, image):
        return image + 2


@pytest.fixture
def image():
    return torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0))


def nested():
    return v2.Compose(
        [v2.CenterCrop(4), v2.RandomApply([v2.RandomHorizontalFlip(1.0)], p=1.0), v2.Normalize([0.5], [2.0])]
    )


def test_compose_is_walked(image):
    transform = nested()
    expected = transform(image)
    report = cl.swap(transform, "handmade")
    assert {s.name for s in report.swapped} == {"transforms.0", "transforms.1.transforms.0", "transforms.2"}
    assert transform.transforms[1].transforms[0].tier == "handmade"
    torch.testing.assert_close(transform(image), expected)
    report.undo()
    assert type(transform.transforms[0]) is v2.CenterCrop
    assert torch.equal(transform(image), expected)


@pytest.mark.parametrize(("part", "added"), [(Marked, 1), (Own, 2)])
def test_own_classes(image, part, added):
    transform = v2.Compose([v2.CenterCrop(6)])
    report = cl.swap(transform, {"CenterCrop": part})
    assert torch.equal(transform(image), image + added)
    report.undo()
    assert torch.equal(transform(image), image)


def test_a_single_one_and_one_inside_a_model(image):
    crop = v2.CenterCrop(4)
    cl.swap(crop, "handmade")
    assert crop.tier == "handmade"
    model = nn.Sequential(v2.Compose([v2.CenterCrop(4)]), nn.ReLU())
    report = cl.swap(model, "handmade", only="0.transforms.*")
    assert [s.name for s in report.swapped] == ["0.transforms.0"]


def test_compose_of_the_first_version(image):
    transform = v1.Compose([v2.CenterCrop(4)])
    cl.swap(transform, "handmade")
    assert transform.transforms[0].tier == "handmade"


def test_what_is_not_by_hand_is_reported():
    report = cl.swap(v2.Compose([v2.ToDtype(torch.float32), v2.RandomSolarize(0.5)]), "handmade")
    assert [s.part for s in report.skipped] == ["RandomSolarize"]
