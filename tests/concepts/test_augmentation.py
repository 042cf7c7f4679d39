"""The transforms draw what torchvision's draw, and make of it the same pixels: every class, function and setting."""

import PIL.Image
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode

from conceptlab.concepts.augmentation import samples
from conceptlab.core import registry
from conceptlab.core.namespace import all_tiers
from conceptlab.verify.closeness import check_same
from conceptlab.verify.pixels import MIXING
from tests.cases import cases

CONCEPT = registry.concepts["augmentation"]
PARTS = {part.name: part for part in registry.parts.values() if part.concept == "augmentation"}
TIERS = ["naive", "handmade"]
CHECKS = [case for name in samples.CLASSES for case in cases(PARTS[name], quick={"values"})]


@pytest.mark.parametrize("check", CHECKS)
def test_check(check):
    check()


class Heights(tv_tensors.TVTensor):
    """A kind of tensor that torchvision does not know."""


@pytest.mark.parametrize("tier", TIERS)
def test_what_torch_gets_wrong(tier):
    """A window that lies before the image is empty, in the size that was asked for; an unknown number is named."""
    ops = all_tiers("transforms")[tier]
    assert torch.equal(ops.crop(torch.ones(1, 6, 6), -9, -9, 4, 3), torch.zeros(1, 4, 3))
    with pytest.raises(ValueError, match="17"):
        ops.resize(torch.ones(1, 6, 6), 3, 17)


@pytest.mark.parametrize("tier", TIERS)
def test_an_image_without_channels_has_a_size(tier):
    assert all_tiers("transforms")[tier].resize(torch.ones(2, 0, 6, 6), [3, 4]).shape == (2, 0, 3, 4)


@pytest.mark.parametrize("tier", TIERS)
def test_a_turned_image_has_its_size_whatever_the_default_dtype(tier):
    rotate, image = all_tiers("transforms")[tier].rotate, samples.IMAGES["float32"]()
    expected = rotate(image, 33, expand=True)
    torch.set_default_dtype(torch.float64)
    try:
        received = rotate(image, 33, expand=True)
    finally:
        torch.set_default_dtype(torch.float32)
    assert (received.shape, received.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("tier", TIERS)
def test_refusals(tier):
    ops = all_tiers("transforms")[tier]
    with pytest.raises(NotImplementedError, match="hamming"):
        ops.resize(torch.ones(3, 6, 6), 3, "hamming")
    with pytest.raises(ValueError, match="Expected tensor to be a tensor image"):
        ops.normalize(torch.ones(6, 6), [0.5], [0.5])
    if tier == "handmade":
        with pytest.raises(RuntimeError, match="cannot be performed safely"):
            ops.adjust_hue(torch.ones(3, 6, 6, dtype=torch.int32), 0.1)
        with pytest.raises(ValueError, match="expected 1, 2 or 4 numbers, received 3"):
            ops.pad(torch.ones(3, 6, 6), [1, 2, 3])
        with pytest.raises(ValueError, match="resize: lanczos requires antialias=True: expected"):
            ops.resize(torch.ones(3, 6, 6), 3, "lanczos", antialias=False)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", [name for name in samples.CLASSES if name not in MIXING])
def test_what_is_more_than_pixels_is_refused(name, tier):
    transform = PARTS[name].tiers["handmade"](**samples.CLASSES[name][0], tier=tier)
    image = tv_tensors.Image(samples.IMAGES["float64"]())
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(13, 18))
    for other in (PIL.Image.new("RGB", (9, 9)), tv_tensors.Mask(torch.ones(13, 18)), (image, boxes)):
        with pytest.raises((NotImplementedError, TypeError), match=r"tier='builtin'|PIL"):
            transform(other)


@pytest.mark.parametrize("name", list(samples.CLASSES))
def test_builtin_tier_takes_all_kinds(name):
    transform = PARTS[name].tiers["handmade"](**samples.CLASSES[name][0], tier="builtin")
    theirs = PARTS[name].torch(**samples.CLASSES[name][0])
    if name in ("MixUp", "CutMix"):
        inputs = (samples.IMAGES["float32"](), torch.arange(2))
    elif name == "Normalize":
        inputs = (samples.IMAGES["float64"](),)
    else:
        inputs = (PIL.Image.new("RGB", (18, 13), (10, 200, 30)),)
    results = []
    for t in (transform, theirs):
        torch.manual_seed(1)
        results.append(t(*inputs))
    if isinstance(results[1], PIL.Image.Image):
        assert results[0].tobytes() == results[1].tobytes()
    else:
        check_same(*results, name)


@pytest.mark.parametrize("tier", TIERS)
def test_mixing_refuses(tier):
    images, labels = samples.IMAGES["batch"]().double(), torch.arange(4)
    for name in ("MixUp", "CutMix"):
        make = PARTS[name].tiers["handmade"]
        for args, setting in (
            ((images[0], labels), {"num_classes": 5}),
            ((images[:2], labels), {"num_classes": 5}),
            ((images, labels), {}),
            ((images, labels[:, None, None]), {"num_classes": 5}),
        ):
            with pytest.raises(ValueError, match=r"batch|num_classes|labels"):
                make(**setting, tier=tier)(*args)
        # somebody's own kind of tensor passes
        heights = torch.ones(3).as_subclass(Heights)
        assert make(num_classes=5, tier=tier)(images, labels, heights)[2] is heights


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("name", "kwargs"), [("gaussian_blur", {"kernel_size": 5}), ("adjust_hue", {"hue_factor": 0.2})]
)
def test_halves_are_rounded_once(tier, name, kwargs):
    function, image = all_tiers("transforms")[tier].functions()[name], samples.IMAGES["halves"]()
    assert torch.equal(function(image, **kwargs), function(image.float(), **kwargs).half())


@pytest.mark.parametrize("tier", TIERS)
def test_bytes_are_resized_off_the_cpu(tier):
    """By way of floating point, as torchvision does it there."""
    image = torch.zeros(3, 9, 7, dtype=torch.uint8, device="meta")
    resized = all_tiers("transforms")[tier].resize(image, [5, 4], interpolation=InterpolationMode.BICUBIC)
    assert (resized.shape, resized.dtype) == ((3, 5, 4), torch.uint8)


@pytest.mark.parametrize("tier", ["builtin", *TIERS])
@pytest.mark.parametrize("setting", [{"size": 40}, {"size": 40, "padding": 2}])
def test_an_image_smaller_than_the_crop_is_refused(tier, setting):
    crop = PARTS["RandomCrop"].tiers["handmade"](**setting, tier=tier)
    with pytest.raises(ValueError, match="larger than"):
        crop(torch.zeros(3, 9, 7))
