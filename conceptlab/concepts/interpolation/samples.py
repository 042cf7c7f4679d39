"""Inputs for interpolation that PyTorch's own samples lack, and calls whose speed is measured."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "area", "bicubic"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}
# torch 2.11 has no lanczos
HAS_LANCZOS = "_upsample_lanczos2d_aa" in vars(torch._C._nn)
_SMOOTH = ("bilinear", "bicubic", "lanczos") if HAS_LANCZOS else ("bilinear", "bicubic")


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Every mode evenly and unevenly, up and down; ties that rounding decides; one pixel; layouts; antialias; bytes."""
    if part != "interpolate":
        return

    def x(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, requires_grad=True)

    for rank, modes in _MODES.items():
        old = (3, 4, 2)[:rank]
        for mode in modes:
            for name, options in _grids(rank, mode).items():
                yield Sample(f"{mode}, {rank} axes, {name}", (x(2, 3, *old),), {"mode": mode, **options})
        yield Sample(f"{modes[0]}, one pixel", (x(2, 3, *[1] * rank),), {"mode": modes[0], "size": 3})
        yield Sample(f"{modes[2]}, one pixel", (x(2, 3, *[1] * rank),), {"mode": modes[2], "size": 3})
        yield Sample(f"{modes[2]}, empty batch", (x(0, 3, *old),), {"mode": modes[2], "scale_factor": 2})
    yield from _nearest(x)
    yield from _smooth(x)
    yield from _bytes()
    for channels in (1, 3, 5):
        last = x(2, channels, 3, 4).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        for options in (
            {"mode": "nearest", "scale_factor": 2},
            {"mode": "bilinear", "scale_factor": 2},
            {"mode": "bilinear", "size": (3, 7), "align_corners": True},
        ):
            # where the size stays, torch multiplies a neighbour by 0, which infinity survives
            kept = "0 · inf" if options.get("size") else ""
            yield Sample(f"channels last, {channels}, {options}", (last,), options, finite_only=kept)
    yield Sample(
        "channels first or last, one number to a sample", (x(2, 1, 1, 1),), {"mode": "nearest", "size": (2, 3)}
    )
    same = x(2, 3, 3, 4).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    # torch's gradient is that of a copy, which the values are not
    yield Sample("bicubic, of the same size", (x(1, 2, 3, 3).detach(),), {"mode": "bicubic", "scale_factor": 1.1})
    yield Sample("channels last, of the same size", (same,), {"mode": "nearest", "size": (3, 4)})
    turned = x(2, 4, 3, 5).detach().permute(0, 3, 2, 1).requires_grad_()
    yield Sample("columns first, channels last", (turned,), {"mode": "bilinear", "scale_factor": 2})
    # more pixels than a block has
    for mode in ("linear", "bicubic"):
        rest, size = ((2,), (2,)) if mode == "bicubic" else ((), ())
        for n, m in ((70, 151), (70, 23)):
            options = {"mode": mode, "size": (m, *size), "align_corners": True}
            yield Sample(f"{mode}, corners, {n} to {m}", (x(1, 1, n, *rest),), options)
    volume = x(1, 4, 2, 3, 2).detach().contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    yield Sample("a volume, channels last", (volume,), {"mode": "trilinear", "scale_factor": 2})


def _nearest(x: Callable[..., Tensor]) -> Iterator[Sample]:
    """Ties, sizes that are nearly the same, bytes, and special numbers."""
    # At these sizes a place falls on the border between two pixels, or beside it by the rounding of float32. No
    # gradient is asked for: torch's own rounds in another way than its values, and goes to the neighbour.
    for mode in ("nearest", "nearest-exact"):
        for n, m in ((6, 74), (2, 61), (2, 41), (2, 98)):
            yield Sample(f"{mode}, a tie, {n} to {m}", (x(1, 1, n).detach(),), {"mode": mode, "size": m})
            image = x(1, 1, n, 2).detach()
            yield Sample(f"{mode}, a tie in an image, {n} to {m}", (image,), {"mode": mode, "size": (m, 3)})
        large = {"mode": mode, "size": (74, 61)}
        yield Sample(f"{mode}, a tie in a large image", (x(1, 4, 6, 2).detach(),), large)
        last = x(1, 4, 6, 2).detach().contiguous(memory_format=torch.channels_last)
        yield Sample(f"{mode}, a tie in a large image, channels last", (last,), large)
        # the largest of the small images, and the smallest of the large ones
        for m in (54, 55):
            yield Sample(f"{mode}, a tie, to 74 + {m}", (x(1, 1, 6, 2).detach(),), {"mode": mode, "size": (74, m)})
        few = x(4, 3, 6, 2).detach().contiguous(memory_format=torch.channels_last)
        yield Sample(f"{mode}, a tie in a large image, few channels last", (few,), large)
        turned = x(1, 6, 5).detach().transpose(1, 2)
        yield Sample(f"{mode}, a tie, channels last", (turned,), {"mode": mode, "size": 74})
        yield Sample(f"{mode}, of the same size", (x(1, 2, 6).detach(),), {"mode": mode, "scale_factor": 1.1})
        yield Sample(f"{mode}, of the same size, an image", (x(1, 2, 3, 3),), {"mode": mode, "scale_factor": 1.1})
        yield Sample(f"{mode}, of about twice the size", (x(1, 2, 3).detach(),), {"mode": mode, "scale_factor": 2.1})
        yield Sample(f"{mode}, of twice the size", (x(1, 2, 3, 3),), {"mode": mode, "scale_factor": 2.1})
        whole = torch.arange(24, dtype=torch.uint8).reshape(1, 2, 3, 4)
        yield Sample(f"{mode}, bytes", (whole,), {"mode": mode, "scale_factor": 2})
        special = x(1, 1, 3, 3).detach()
        special[0, 0, 0, 0], special[0, 0, 1, 1], special[0, 0, 2, 0] = float("nan"), float("inf"), float("-inf")
        yield Sample(f"{mode}, NaN and infinity", (special,), {"mode": mode, "scale_factor": 2})


def _smooth(x: Callable[..., Tensor]) -> Iterator[Sample]:
    """With antialias. Never to one column: there torch repeats the first row."""
    kept = "weights of 0 are multiplied by, too"
    for mode in _SMOOTH:
        options: dict[str, Any] = {"mode": mode, "antialias": True}
        for name, image, grid in (
            ("down and up", x(2, 3, 9, 4), {"size": (4, 7)}),
            ("by factors", x(1, 2, 5, 8), {"scale_factor": (2.3, 0.4)}),
            ("by that of the sizes", x(1, 2, 5, 8), {"scale_factor": (2.3, 0.4), "recompute_scale_factor": True}),
            ("one pixel", x(1, 2, 1, 3), {"size": (3, 2)}),
            ("more than a block", x(1, 1, 70, 2), {"size": (36, 3)}),
            ("to more than a block", x(1, 1, 2, 36), {"size": (2, 70)}),
            # torch's gradient is not that of a copy, which the values are
            ("of the same size", x(1, 2, 3, 3).detach(), {"scale_factor": 1.1}),
            ("no samples", x(0, 2, 5, 4), {"size": 3}),
        ):
            yield Sample(f"{mode}, antialias, {name}", (image,), {**options, **grid}, finite_only=kept)
        last = x(2, 3, 7, 5).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        yield Sample(f"{mode}, antialias, channels last", (last,), {**options, "size": (3, 4)}, finite_only=kept)
    for name, image, size in (("corners", x(1, 2, 9, 4), (4, 7)), ("one row, corners", x(1, 2, 4, 3), (1, 2))):
        for mode in ("bilinear", "bicubic"):
            options = {"mode": mode, "antialias": True, "align_corners": True, "size": size}
            yield Sample(f"{mode}, antialias, {name}", (image,), options, finite_only=kept)


def _bytes() -> Iterator[Sample]:
    """Means in whole numbers; the cubic overshoots, and the largest weight sets the unit of all."""
    for mode in _SMOOTH:
        for antialias in (True,) if mode == "lanczos" else (False, True):
            options: dict[str, Any] = {"mode": mode, "antialias": antialias}
            name = f"bytes, {mode}, antialias={antialias}"
            for channels, grid in ((3, {"size": (5, 17)}), (5, {"scale_factor": (1.6, 0.45)})):
                yield Sample(f"{name}, {channels} channels", (_noise(1, channels, 9, 8),), {**options, **grid})
            # means of nearly 127½, where the rounding of the smallest weights decides
            stripes = (127 + torch.arange(3000) % 2).byte().reshape(1, 1, 3000, 1).repeat(1, 1, 1, 2)
            yield Sample(f"{name}, many to one", (stripes,), {**options, "size": (5, 2)})
            yield Sample(f"{name}, one axis stays", (_noise(2, 2, 4, 6),), {**options, "scale_factor": (1.1, 2)})
            last = _noise(2, 3, 6, 7).contiguous(memory_format=torch.channels_last)
            yield Sample(f"{name}, channels last", (last,), {**options, "size": (9, 3)})
            if mode != "lanczos":
                corners = {**options, "align_corners": True}
                yield Sample(f"{name}, corners", (_noise(1, 3, 4, 7),), {**corners, "size": (9, 3)})
    # the largest weight is 32767.7 / 2¹⁵, which has one binary digit more when it is rounded
    options = {"mode": "bicubic", "scale_factor": (31.5 / 39.502, 1.0)}
    yield Sample("bytes, bicubic, nearly one more digit", (_noise(1, 1, 41, 64),), options)


def _noise(*shape: int) -> Tensor:
    """Black, white, and what lies between."""
    generator = torch.Generator().manual_seed(sum(shape))
    return (torch.rand(shape, generator=generator) * 400 - 70).clamp(0, 255).byte()


def _grids(rank: int, mode: str) -> dict[str, dict[str, Any]]:
    grids: dict[str, dict[str, Any]] = {
        "twice": {"scale_factor": 2},
        "up and down": {"scale_factor": (2.4, 0.6, 1.0)[:rank]},
        "by another factor than the sizes have": {"scale_factor": (1.7, 1.4, 2.6)[:rank]},
    }
    if rank == 1:
        grids |= {"four times": {"scale_factor": 4}, "five times": {"scale_factor": 5}}
    if rank == 2:
        grids |= {
            "three times": {"scale_factor": 3.0},
            "by that of the sizes": {"scale_factor": 1.7, "recompute_scale_factor": True},
            "to one pixel": {"size": 1},
            "as it is": {"size": [3, 4]},
        }
    if "linear" in mode or mode == "bicubic":
        grids["to a size, corners"] = {"size": (7, 2, 5)[:rank], "align_corners": True}
    if mode == "linear":
        grids |= {
            "about twice": {"scale_factor": 2.1},
            "to a size": {"size": 7},
            "about as it is": {"scale_factor": 1.1},
        }
    if mode == "bilinear":
        grids["twice, corners"] = {"scale_factor": 2, "align_corners": True}
        grids["to one pixel, corners"] = {"size": 1, "align_corners": True}
    return dict(list(grids.items())[:2]) if mode == "area" else grids


def refused(part: str) -> Iterator[Sample]:
    """Sizes, modes and dtypes that do not fit."""
    if part != "interpolate":
        return
    sequence, image, volume = torch.ones(2, 3, 4), torch.ones(2, 3, 4, 5), torch.ones(2, 3, 4, 5, 6)
    calls: dict[str, tuple[Tensor, dict[str, Any]]] = {
        "neither": (image, {}),
        "both": (image, {"size": 3, "scale_factor": 2}),
        "corners of the nearest": (image, {"size": 3, "align_corners": False}),
        "a size too few": (image, {"size": (3,)}),
        "a factor too many": (image, {"scale_factor": (2, 2, 2)}),
        "half a pixel": (image, {"size": (2.5, 3)}),
        "factors of a size": (image, {"size": 3, "recompute_scale_factor": True}),
        "no columns": (image[..., :0], {"size": 3}),
        "no rows": (image[:, :, :0], {"size": 3}),
        "to no columns": (image, {"size": (3, 0)}),
        "to no rows": (image, {"size": (0, 3)}),
        "four axes of pixels": (volume.unsqueeze(0), {"size": 3}),
        "to less than none": (image, {"scale_factor": -1.0}),
        "no channels": (image[:, :0], {"size": 3}),
        "a matrix": (image[0, 0], {"size": (), "mode": "nearest"}),
        "another mode": (image, {"size": 3, "mode": "unknown"}),
        "antialias of the nearest": (image, {"size": 3, "antialias": True}),
        "antialias of a volume": (volume, {"size": 3, "mode": "bilinear", "antialias": True}),
        "antialias of no rows": (image[:, :, :0], {"size": 3, "mode": "bilinear", "antialias": True}),
        "antialias of whole numbers": (image.long(), {"size": 3, "mode": "bilinear", "antialias": True}),
        "whole numbers": (image.long(), {"size": 3}),
        "whole numbers, means": (image.long(), {"size": 3, "mode": "bilinear"}),
        "truth values": (image.bool(), {"size": 3}),
        "complex numbers": (image.to(torch.complex64), {"size": 3}),
        "bytes of a sequence": (sequence.byte(), {"size": 3, "mode": "linear"}),
        "bytes of a volume": (volume.byte(), {"size": 3, "mode": "trilinear"}),
        "lanczos of a sequence": (sequence, {"size": 3, "mode": "lanczos"}),
    }
    if HAS_LANCZOS:
        calls["lanczos, no antialias"] = (image, {"size": 3, "mode": "lanczos"})
        calls["lanczos of a sequence, corners"] = (sequence, {"size": 3, "mode": "lanczos", "align_corners": True})
        calls["lanczos, corners"] = (image, {"size": 3, "mode": "lanczos", "antialias": True, "align_corners": True})
    for name, (x, options) in calls.items():
        yield Sample(name, (x,), options)
    for x in (sequence, image, volume):
        for mode in ("linear", "bilinear", "bicubic", "trilinear"):
            if mode not in _MODES[x.dim() - 2]:
                yield Sample(f"{mode} of {x.dim()} axes", (x,), {"size": 3, "mode": mode})


def _case(network: str, *shape: int, **options: Any) -> Case:
    return Case("interpolate", network, lambda: (torch.randn(shape).requires_grad_(),), kwargs=options)


BENCH = (
    _case("FPN, 25 to 50", 2, 256, 25, 25, scale_factor=2),
    _case("FPN, 50 to 100", 2, 256, 50, 50, scale_factor=2),
    _case("YOLOv3, 13 to 26", 4, 256, 13, 13, scale_factor=2),
    _case("U-Net, 32 to 64", 2, 256, 32, 32, scale_factor=2, mode="bilinear"),
    _case("U-Net, 128 to 256", 1, 64, 128, 128, scale_factor=2, mode="bilinear"),
    _case("U-Net, 128 to 256, corners", 1, 64, 128, 128, scale_factor=2, mode="bilinear", align_corners=True),
    _case("DeepLabv3, logits", 1, 21, 33, 33, size=(257, 257), mode="bilinear"),
    _case("FCN, logits", 1, 21, 32, 32, size=(256, 256), mode="bilinear"),
    _case("ImageNet, 500 to 341", 2, 3, 375, 500, size=(256, 341), mode="bilinear", antialias=True),
    _case("DINOv2, positions 37 to 16", 1, 384, 37, 37, size=(16, 16), mode="bicubic", antialias=True),
    _case("PSPNet, 6 to 28", 2, 512, 6, 6, size=(28, 28), mode="bilinear"),
    _case("WaveGAN, nearest", 8, 64, 1024, scale_factor=4),
    _case("3D U-Net, 16 to 32", 1, 64, 16, 16, 16, scale_factor=2, mode="trilinear"),
    Case(
        "Upsample",
        "U-Net, 64 to 128",
        lambda: (torch.randn(1, 128, 64, 64).requires_grad_(),),
        init_kwargs={"scale_factor": 2, "mode": "bilinear"},
    ),
)
