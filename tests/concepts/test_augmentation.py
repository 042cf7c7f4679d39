"""The transforms draw what torchvision's draw, and make of it the same pixels: every class, function and setting."""

import copy
import warnings

import PIL.Image
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode

from conceptlab.concepts.augmentation import samples
from conceptlab.core import registry
from conceptlab.core.namespace import all_tiers
from conceptlab.verify import checks
from conceptlab.verify.closeness import check_same
from conceptlab.verify.pixels import IN_SINGLE, MIXING, check_pixels
from conceptlab.verify.target import tier_of

CONCEPT = registry.concepts["augmentation"]
PARTS = {part.name: part for part in registry.parts.values() if part.concept == "augmentation"}
TIERS = ["naive", "handmade"]
FUNCTIONS = [
    pytest.param(name, tier, kind, id=f"{name}-{tier}-{kind}")
    for name in samples.FUNCTIONS
    for tier in TIERS
    for kind in (samples.IMAGES if name not in ("mixup", "cutmix") else ("batch", "float32", "channels-last"))
]
CHECKS = [
    pytest.param(check, id=f"{name}-{tier}-{check}")
    for name in samples.CLASSES
    for tier in TIERS
    for check in checks(tier_of(PARTS[name], tier), like=name)
]


@pytest.mark.parametrize("check", CHECKS)
def test_check(check):
    check()


def takes_names():
    """Whether this torchvision knows an interpolation by its name, as newer ones do."""
    try:
        CONCEPT.builtin("resize")(torch.zeros(1, 2, 2), 1, "nearest")
    except ValueError:
        return False
    return True


TAKES_NAMES = takes_names()


class Heights(tv_tensors.TVTensor):
    """A kind of tensor that torchvision does not know."""


def understood(settings):
    """The same for torchvision's own, of whatever version."""
    name = settings.get("interpolation")
    if TAKES_NAMES or name not in [mode.value for mode in InterpolationMode]:
        return settings
    return {**settings, "interpolation": InterpolationMode(name)}


def outcome(call, image, **kwargs):
    """The result, or the exception's type; and the image afterwards."""
    torch.manual_seed(13)
    with warnings.catch_warnings():
        # torch and torchvision say so of ratios out of order, and of pads larger than the image
        warnings.simplefilter("ignore")
        try:
            return call(image, **copy.deepcopy(kwargs)), None
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            return None, type(error)


@pytest.mark.parametrize(("name", "tier", "kind"), FUNCTIONS)
def test_function(name, tier, kind):
    """Pixels and in-place effects; what torchvision refuses is refused with its exception."""
    function = all_tiers("transforms")[tier].functions()[name]
    for kwargs in samples.FUNCTIONS[name]:
        images = [samples.IMAGES[kind]() for _ in range(2)]
        theirs, their_error = outcome(CONCEPT.builtin(name), images[1], **understood(kwargs))
        ours, our_error = outcome(function, images[0], **kwargs)
        where = f"{name}({kwargs}) of {kind}"
        if kind == "empty" and their_error is not our_error:
            continue  # torch looks at no pixel there, and so misses a mistake, or refuses the shape
        assert (our_error is None) == (their_error is None) or torch_cannot(name, kind, kwargs), f"{where}: {our_error}"
        if their_error is not None and our_error is not None:
            assert issubclass(our_error, their_error), f"{where}: {our_error}"
        elif their_error is None:
            check_pixels(ours, theirs, where, name)
            check_pixels(images[0], images[1], f"{where}: image afterwards", name)


def torch_cannot(name, kind, kwargs):
    """torchvision pads no video symmetrically, and stumbles over bytes that are to become one pixel."""
    one_pixel = name == "resize" and kwargs.get("size") == [1, 1] and kind in ("uint8", "batch", "video")
    return one_pixel or (kind == "video" and kwargs.get("padding_mode") == "symmetric")


@pytest.mark.parametrize("tier", TIERS)
def test_what_torch_gets_wrong(tier):
    """A window that lies before the image is empty, in the size that was asked for; an unknown number is named."""
    ops = all_tiers("transforms")[tier]
    assert torch.equal(ops.crop(torch.ones(1, 6, 6), -9, -9, 4, 3), torch.zeros(1, 4, 3))
    with pytest.raises(ValueError, match="17"):
        ops.resize(torch.ones(1, 6, 6), 3, 17)


@pytest.mark.parametrize("tier", TIERS)
def test_refusals(tier):
    ops = all_tiers("transforms")[tier]
    with pytest.raises(NotImplementedError, match="lanczos"):
        ops.resize(torch.ones(3, 6, 6), 3, "lanczos")
    with pytest.raises(ValueError, match="Expected tensor to be a tensor image"):
        ops.normalize(torch.ones(6, 6), [0.5], [0.5])
    if tier == "handmade":
        with pytest.raises(RuntimeError, match="cannot be performed safely"):
            ops.adjust_hue(torch.ones(3, 6, 6, dtype=torch.int32), 0.1)


@pytest.mark.parametrize(("name", "tier"), [(name, tier) for name in samples.FUNCTIONS for tier in TIERS])
def test_derivative(name, tier):
    """By the pixels, as autograd finds it in torchvision's own code."""
    function = all_tiers("transforms")[tier].functions()[name]
    for kwargs in samples.FUNCTIONS[name]:
        if kwargs.get("inplace"):
            continue
        results = []
        for call in (function, CONCEPT.builtin(name)):
            image = samples.IMAGES["float64"]()[None, :, :9, :11].requires_grad_()
            output, error = outcome(call, image, **kwargs)
            if error is not None or not output.requires_grad:
                continue
            generator = torch.Generator().manual_seed(2)
            upstream = torch.randn(output.shape, generator=generator, dtype=output.dtype)
            try:
                results.append(torch.autograd.grad(output, image, upstream)[0])
            except RuntimeError:
                # torchvision works in place where its own derivative needs the value
                assert call is not function
        if len(results) == 2:
            bound = 1e-4 if name in IN_SINGLE else 1e-9
            check_same(*results, f"{name}({kwargs})", strides=False, bound=bound, noise=1e-15)


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


@pytest.mark.parametrize("name", list(samples.FUNCTIONS))
def test_on_meta(name):
    """Nothing needs the values of the pixels."""
    function = all_tiers("transforms")["handmade"].functions()[name]
    for kwargs in samples.FUNCTIONS[name]:
        image = samples.IMAGES["float32"]()
        real, error = outcome(function, image, **kwargs)
        if error is None:
            kwargs = {k: v.to("meta") if isinstance(v, torch.Tensor) else v for k, v in kwargs.items()}
            assert function(image.to("meta"), **kwargs).shape == real.shape
