"""What the general checks do not reach: which pixel is the nearest, spellings, autocast, gradients at ties."""

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses import FakeTensorMode

import conceptlab as cl
from conceptlab.concepts.interpolation import samples
from conceptlab.core import registry
from conceptlab.verify.closeness import check_same

PART = registry.parts["interpolate"]
TIERS = ("naive", "handmade")
IMAGE = torch.randn(2, 3, 4, 5, dtype=torch.float64)


def layouts(n, dtype):
    """Inputs with n pixels along the last axis, of which torch rounds the places in different ways."""
    pixels = torch.arange(n, dtype=dtype)
    yield pixels.expand(1, 1, n).contiguous()
    yield pixels.expand(1, 4, 2, n).contiguous()
    yield pixels.expand(1, 1, 128, n).contiguous()
    yield pixels.expand(1, 4, 128, n).contiguous(memory_format=torch.channels_last)
    yield pixels.expand(1, 1, 2, 2, n).contiguous()
    yield pixels.expand(1, 4, 2, 2, n).contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("factor", [None, 1 / 3, 0.7, 1.1, 2.1, 3.0, 5.0, 7.0, 3.3333])
def test_the_nearest_pixel_is_torchs(mode, dtype, factor):
    sizes = [(2, 41), (2, 61), (6, 74), (14, 46), (5, 4)] if factor is None else [(n, None) for n in (3, 10, 17)]
    for n, m in sizes:
        for x in layouts(n, dtype):
            rank = x.dim() - 2
            if factor is None:
                options = {"size": (*x.shape[2:-1], m), "mode": mode}
            else:
                options = {"scale_factor": (*[1.0] * (rank - 1), factor), "mode": mode}
            check_same(PART.tiers["handmade"](x, **options), F.interpolate(x, **options), f"{n} to {m}", bound=0.0)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 1, 6), {"size": 74}),
        ((1, 1, 2), {"size": 41, "mode": "nearest-exact"}),
        ((1, 1, 3, 3), {"scale_factor": 1.1, "mode": "bicubic"}),
        ((1, 1, 3, 3), {"scale_factor": 1.1, "mode": "bicubic", "antialias": True}),
    ],
)
def test_gradients_belong_to_the_values(shape, options):
    """Where torch's do not: its backward pass rounds in another way."""
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: PART.tiers["handmade"](x, **options), x)


@pytest.mark.parametrize("tier", TIERS)
def test_a_single_column_is_resized_like_any_other(tier):
    """Where torch repeats its first row."""
    options = {"mode": "bilinear", "antialias": True}
    one = PART.tiers[tier](IMAGE[..., :1], size=(3, 1), **options)
    two = F.interpolate(IMAGE[..., :1].expand(-1, -1, -1, 2), size=(3, 2), **options)
    check_same(one, two[..., :1], "the column", strides=False)


NN = torch._C._nn
SPELLINGS = [
    (NN.upsample_nearest1d, (IMAGE[0], [7], None)),
    (NN.upsample_nearest2d, (IMAGE, None, [2.0, 1.5])),
    (NN.upsample_nearest3d, (IMAGE[None], [3, 4, 9], None)),
    (NN._upsample_nearest_exact1d, (IMAGE[0], None, [1.7])),
    (NN._upsample_nearest_exact2d, (IMAGE, [3, 9], None)),
    (NN._upsample_nearest_exact3d, (IMAGE[None], None, [1.0, 2.0, 0.6])),
    (NN.upsample_linear1d, (IMAGE[0], [7], True, None)),
    (NN.upsample_bilinear2d, (IMAGE, None, False, [2.0, 1.5])),
    (NN.upsample_bicubic2d, (IMAGE, [7, 3], True, None)),
    (NN.upsample_trilinear3d, (IMAGE[None], [3, 4, 9], False, None)),
    (NN._upsample_bilinear2d_aa, (IMAGE, [3, 9], True, None)),
    (NN._upsample_bicubic2d_aa, (IMAGE, None, False, [0.7, 1.5])),
]
if samples.HAS_LANCZOS:
    SPELLINGS.append((NN._upsample_lanczos2d_aa, (IMAGE, [3, 9], False, None)))


@pytest.mark.parametrize(("spelling", "args"), SPELLINGS, ids=[spelling.__name__ for spelling, _ in SPELLINGS])
def test_spellings(spelling, args):
    part, adapter = registry.spellings[spelling]
    check_same(adapter(part.tiers["handmade"], *args), spelling(*args), "value")
    with cl.use("handmade") as used:
        spelling(*args)
    assert used.counts == {"interpolate": 1}


def test_one_channel_three_times_is_channels_first():
    """All of a channel's numbers lie in one place, as they do with channels last; the checks see copies only."""
    grey = IMAGE[:, :1].expand(-1, 3, -1, -1)
    check_same(PART.tiers["handmade"](grey, size=3), F.interpolate(grey, size=3), "value")


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_deprecated_names_warn(name):
    with pytest.warns(UserWarning, match=f"`nn.functional.{name}` is deprecated"):
        expected = getattr(F, name)(IMAGE, scale_factor=2)
    with pytest.warns(UserWarning, match=f"`nn.functional.{name}` is deprecated") as said:
        check_same(getattr(cl.nn.functional, name)(IMAGE, scale_factor=2), expected, name)
    assert said[0].filename == __file__


@pytest.mark.parametrize("mode", ["nearest", "trilinear", "area"])
def test_autocast(mode):
    volume = torch.randn(1, 2, 3, 4, 5).bfloat16()
    with torch.autocast("cpu"):
        expected = F.interpolate(volume, scale_factor=2, mode=mode).dtype
        assert PART.tiers["handmade"](volume, scale_factor=2, mode=mode).dtype is expected


@pytest.mark.parametrize("mode", ["area", "bilinear", "lanczos" if samples.HAS_LANCZOS else "bicubic"])
def test_autocast_of_a_gpu(mode):
    """Of tensors without values, which need none; not by the context manager, which refuses where there is none."""
    options = {"size": 3, "mode": mode, "antialias": mode != "area"}
    with FakeTensorMode():
        image = torch.empty(1, 2, 4, 5, dtype=torch.float16, device="cuda")
        torch.set_autocast_enabled("cuda", True)
        try:
            expected = F.interpolate(image, **options).dtype
            assert PART.tiers["handmade"](image, **options).dtype is expected
        finally:
            torch.set_autocast_enabled("cuda", False)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "options",
    [
        {"mode": "bicubic", "scale_factor": 2.3},
        {"mode": "bilinear", "scale_factor": 2},
        {"mode": "bilinear", "size": (3, 9), "align_corners": True},
        {"mode": "bilinear", "size": (3, 9), "antialias": True},
    ],
)
def test_half_precision_is_rounded_once(options, dtype):
    """The checks pool all modes, of which the nearest pixels' ties have by far the largest errors."""

    def outcome(x, upstream):
        y = PART.tiers["handmade"](x.requires_grad_(), **options)
        return [y.detach(), *torch.autograd.grad(y, x, upstream[: y.shape[0], :, : y.shape[2], : y.shape[3]])]

    x, upstream = torch.randn(2, 3, 5, 4).to(dtype), torch.randn(2, 3, 12, 9).to(dtype)
    exact = outcome(x.float(), upstream.float())
    check_same(outcome(x.clone(), upstream), [number.to(dtype) for number in exact], "value and gradient", bound=0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"mode": "bilinear", "scale_factor": 2},
        {"mode": "bilinear", "scale_factor": 3},
        {"mode": "bilinear", "size": (3, 9), "align_corners": True},
        {"mode": "bicubic", "scale_factor": 1.6},
        {"mode": "bicubic", "size": (3, 9), "antialias": True},
    ],
)
def test_each_mode_compiles(options):
    """The general check compiles one call of those that have the same arguments, whatever their values."""

    def outcome(function):
        x = IMAGE.clone().requires_grad_()
        y = function(x)
        return y, torch.autograd.grad(y, x, torch.randn(y.shape, dtype=y.dtype, generator=torch.manual_seed(0)))[0]

    def resized(x):
        return PART.tiers["handmade"](x, **options)

    torch._dynamo.reset()  # or it takes the factor of the test before for one that varies
    compiled = torch.compile(resized, backend="aot_eager", fullgraph=True)
    check_same(outcome(compiled), outcome(resized), "value and gradient")
    levels = (IMAGE * 50 + 128).clamp(0, 255).byte()
    check_same(compiled(levels), F.interpolate(levels, **options), "bytes", bound=0.0)
