"""Inputs for normalization that PyTorch's own samples do not reach, and the shapes of its benchmark."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from conceptlab.concepts.normalization.laws import tangents_as_one, together_as_one
from conceptlab.core.samples import Case, Sample

Draw = Callable[..., Tensor]


def samples(part_name: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Layouts, empty and constant inputs, and parameters that are there or not."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    if part_name in _SAMPLES:
        yield from _SAMPLES[part_name](randn, dtype)


def refused(part_name: str) -> Iterator[Sample]:
    """What does not fit: shapes, dtypes, too few values, and what is no number with a fraction."""
    if part_name in _REFUSED:
        yield from _REFUSED[part_name]()


def _batch(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    def arguments(*shape: int, affine: bool = True) -> tuple:
        C = shape[1]
        parameters = ((randn(C) + 2).requires_grad_(), randn(C).requires_grad_()) if affine else (None, None)
        return randn(*shape).requires_grad_(), randn(C), randn(C).square() + 0.5, *parameters

    for training in (True, False):
        mode = "training" if training else "evaluation"
        yield Sample(f"{mode}, matrix", arguments(6, 3), {"training": training})
        yield Sample(f"{mode}, sequence", arguments(3, 4, 5), {"training": training, "momentum": 0.7})
        yield Sample(f"{mode}, images", arguments(2, 3, 4, 5), {"training": training, "eps": 0.3})
        yield Sample(f"{mode}, volumes", arguments(2, 3, 2, 3, 2), {"training": training, "momentum": 1.0})
        yield Sample(f"{mode}, not affine", arguments(2, 3, 4, affine=False), {"training": training})
        yield Sample(f"{mode}, no bias", arguments(2, 3, 4)[:4], {"training": training})
        yield Sample(f"{mode}, empty batch", arguments(0, 3, 4), {"training": training})
        yield Sample(f"{mode}, no channels", arguments(2, 0, 4, affine=False), {"training": training})
        x, *others = arguments(2, 3, 4, 5)
        images_last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        yield Sample(f"{mode}, channels last", (images_last, *others), {"training": training})
        frozen = [p.detach() if p is not None else None for p in others]
        yield Sample(f"{mode}, only the input has a gradient", (x, *frozen), {"training": training})
        yield Sample(
            f"{mode}, only the weight has a gradient", (x.detach(), *frozen[:2], others[2]), {"training": training}
        )
        constant = torch.ones(2, 3, 4, dtype=dtype).requires_grad_()
        yield Sample(f"{mode}, constant input", (constant, *arguments(2, 3, 4)[1:]), {"training": training})
    yield Sample("no running statistics", (randn(2, 3, 4).requires_grad_(), None, None), {"training": True})
    yield Sample("evaluation, one value a channel", arguments(1, 3), {"training": False})
    yield Sample("evaluation, eps of 0", arguments(4, 3), {"training": False, "eps": 0.0})
    yield Sample("training, momentum of 0", arguments(4, 3), {"training": True, "momentum": 0.0})
    yield Sample("training, a large eps", arguments(4, 3), {"training": True, "eps": 10.0})


def _batch_layer(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    """Of SyncBatchNorm, without other processes; PyTorch's own samples have the others."""
    options: tuple[dict, ...] = (
        {},
        {"eps": 0.3, "momentum": 0.7},
        {"momentum": None},
        {"affine": False},
        {"bias": False},
        {"track_running_stats": False},
    )
    for setting in options:
        yield Sample(f"images, {setting}", (randn(3, 2, 4, 5).requires_grad_(),), {}, (2,), setting)
    yield Sample("matrix", (randn(6, 3).requires_grad_(),), init_args=(3,))
    yield Sample("four axes of values", (randn(2, 3, 2, 1, 2, 3).requires_grad_(),), init_args=(3,))


def _rows(randn: Draw, dtype: torch.dtype, *, with_bias: bool) -> Iterator[Sample]:
    def arguments(*shape: int, axes: int = 1) -> tuple:
        size = shape[len(shape) - axes :]
        parameters = [(randn(*size) + 2).requires_grad_(), randn(*size).requires_grad_()][: 1 + with_bias]
        return randn(*shape).requires_grad_(), size, *parameters

    yield Sample("words", arguments(2, 5, 8))
    yield Sample("one word", arguments(8))
    yield Sample("images", arguments(2, 3, 4, 5, axes=3), {"eps": 0.3})
    yield Sample("two axes", arguments(2, 3, 4, 5, axes=2))
    yield Sample("a list of sizes", (randn(2, 3, 4).requires_grad_(), [3, 4]))
    yield Sample("not affine", arguments(2, 5, 8)[:2])
    yield Sample("empty batch", arguments(0, 5))
    yield Sample("no values", arguments(3, 0))
    yield Sample("no values, two axes", arguments(3, 2, 0, axes=2))
    x, size, *parameters = arguments(2, 5, 8)
    frozen = [p.detach() for p in parameters]
    yield Sample("only the input has a gradient", (x, size, *frozen))
    yield Sample("only the weight has a gradient", (x.detach(), size, parameters[0]))
    if with_bias:
        yield Sample("only a bias", (x, size, None, parameters[1]))
        yield Sample("only the bias has a gradient", (x.detach(), size, frozen[0], parameters[1]))
    else:
        # the layout of channels-last images is kept
        for shape, format in (((2, 3, 4, 5), torch.channels_last), ((2, 3, 2, 3, 4), torch.channels_last_3d)):
            x, *others = arguments(*shape, axes=2)
            images = x.detach().contiguous(memory_format=format).requires_grad_()
            yield Sample(f"channels last, {len(shape)} axes", (images, *others))
        yield Sample("no eps", (x, *others, 0.0))
    # words of a sequence that is batched second
    yield Sample("time first", (randn(5, 2, 8).transpose(0, 1).requires_grad_(), (8,), *parameters))
    # (of the weight's gradient torch has nothing but rounding)
    yield Sample("constant input", (torch.ones(3, 8, dtype=dtype).requires_grad_(), (8,), *frozen))


def _rows_of_layer(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    x = randn(2, 3, 4).requires_grad_()
    yield Sample("a number for the shape", (x,), init_args=(4,))
    yield Sample("not affine", (x,), init_args=([3, 4],), init_kwargs={"elementwise_affine": False})
    yield Sample("a torch.Size", (x,), init_args=(x.shape[1:],))


def _layer_norm_layer(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    yield from _rows_of_layer(randn, dtype)
    yield Sample("no bias", (randn(2, 4).requires_grad_(),), init_args=(4,), init_kwargs={"bias": False})


def _groups(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    def arguments(*shape: int, groups: int = 2) -> tuple:
        C = shape[1]
        return randn(*shape).requires_grad_(), groups, (randn(C) + 2).requires_grad_(), randn(C).requires_grad_()

    yield Sample("matrix", arguments(3, 6))
    yield Sample("images", arguments(2, 6, 4, 5), {"eps": 0.3})
    yield Sample("volumes", arguments(2, 4, 2, 3, 2))
    yield Sample("one group", arguments(2, 4, 5, groups=1))
    yield Sample("a channel a group", arguments(2, 4, 5, groups=4))
    x, groups, weight, bias = arguments(2, 4, groups=4)
    # (the gradients of the others are 0, and what is computed of them is rounding)
    yield Sample("a value a group", (x.detach(), groups, weight.detach(), bias))
    yield Sample("empty batch", arguments(0, 4, 3))
    for shape, format in (((2, 4, 3, 5), torch.channels_last), ((2, 4, 2, 3, 2), torch.channels_last_3d)):
        x, *others = arguments(*shape)
        images = x.detach().contiguous(memory_format=format).requires_grad_()
        yield Sample(f"channels last, {len(shape)} axes", (images, *others))
    x, groups, weight, bias = arguments(2, 6, 4, 5)
    yield Sample("not affine", (x, groups))
    yield Sample("no bias", (x, groups, weight))
    yield Sample("only a bias", (x, groups, None, bias))
    yield Sample("only the input has a gradient", (x, groups, weight.detach(), bias.detach()))
    yield Sample("only the weight has a gradient", (x.detach(), groups, weight, bias.detach()))
    yield Sample("only the bias has a gradient", (x.detach(), groups, weight.detach(), bias))
    yield Sample("time first", (randn(5, 4, 2).transpose(0, 2).requires_grad_(), 2))
    constant = torch.ones(2, 4, 8, dtype=dtype).requires_grad_()
    yield Sample("constant input", (constant, 2, randn(4), randn(4)))


def _group_layer(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    x = randn(2, 6, 4).requires_grad_()
    yield Sample("not affine", (x,), init_args=(3, 6), init_kwargs={"affine": False})
    yield Sample("no bias", (x,), init_args=(2, 6), init_kwargs={"bias": False})


def _instances(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    def arguments(*shape: int) -> tuple:
        C = shape[1]
        parameters = (randn(C) + 2).requires_grad_(), randn(C).requires_grad_()
        return randn(*shape).requires_grad_(), randn(C), randn(C).square() + 0.5, *parameters

    for of_input in (True, False):
        mode = "its own statistics" if of_input else "running statistics"
        options = {"use_input_stats": of_input}
        yield Sample(f"{mode}, sequence", arguments(3, 4, 5), {**options, "momentum": 0.7})
        yield Sample(f"{mode}, images", arguments(2, 3, 4, 5), {**options, "eps": 0.3})
        yield Sample(f"{mode}, volumes", arguments(2, 3, 2, 3, 2), {**options, "momentum": 1.0})
        yield Sample(f"{mode}, no values", arguments(2, 3, 0), options)
        yield Sample(f"{mode}, no channels", (*arguments(2, 0, 4)[:3], None, None), options)
        x, *statistics, weight, bias = arguments(2, 3, 4, 5)
        yield Sample(f"{mode}, not affine", (x, *statistics), options)
        yield Sample(f"{mode}, no bias", (x, *statistics, weight), options)
        yield Sample(f"{mode}, only a bias", (x, *statistics, None, bias), options)
        yield Sample(
            f"{mode}, only the input has a gradient", (x, *statistics, weight.detach(), bias.detach()), options
        )
        yield Sample(f"{mode}, only the weight has a gradient", (x.detach(), *statistics, weight), options)
        # (no bias alone: torch's own loses its second derivative there)
        images_last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        yield Sample(f"{mode}, channels last", (images_last, *statistics, weight, bias), options)
    yield Sample("running statistics, matrix", arguments(3, 4), {"use_input_stats": False})
    single = [s.float() for s in statistics]
    yield Sample("running statistics, in another dtype", (x, *single), {"use_input_stats": False})
    yield Sample("no running statistics", (randn(2, 3, 4).requires_grad_(),))
    yield Sample("empty batch", (randn(0, 3, 4).requires_grad_(),))


def _instance_layer(randn: Draw, dtype: torch.dtype, *, axes: int) -> Iterator[Sample]:
    for shape in ((3, *[4] * axes), (2, 3, *[4] * axes)):
        x, what = randn(*shape).requires_grad_(), "a batch" if len(shape) == axes + 2 else "no batch"
        yield Sample(what, (x,), init_args=(3,))
        kept = {"affine": True, "track_running_stats": True}
        yield Sample(f"{what}, running statistics", (x,), init_args=(3,), init_kwargs=kept)
        yield Sample(f"{what}, averages", (x,), init_args=(3,), init_kwargs={**kept, "momentum": None})
        yield Sample(f"{what}, no bias", (x,), init_args=(3,), init_kwargs={"affine": True, "bias": False})


def _response(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    def x(*shape: int) -> Tensor:
        # so large that neighbours matter
        return (10 * randn(*shape)).requires_grad_()

    strong = {"alpha": 0.1}
    yield Sample("an even window", (x(2, 6, 4), 2), strong)
    yield Sample("an odd window", (x(2, 6, 4, 3), 3), strong)
    yield Sample("AlexNet's", (x(2, 7, 3, 3), 5), {**strong, "k": 2.0})
    yield Sample("volumes", (x(2, 5, 2, 3, 2), 4, 0.5, 1.5, 0.3))
    yield Sample("more axes", (x(1, 3, 2, 2, 2, 2), 3), strong)
    yield Sample("itself alone", (x(2, 3, 4), 1), strong)
    yield Sample("a window as wide as all", (x(2, 4, 3), 8), strong)
    yield Sample("wider than all", (x(2, 4, 3), 101), strong)
    yield Sample("one channel", (x(2, 1, 3), 3), strong)
    yield Sample("no channels", (x(2, 0, 3), 3))
    yield Sample("growing", (x(2, 4, 3), 3), {**strong, "beta": -0.5})
    yield Sample("unchanged", (x(2, 4, 3), 3), {**strong, "beta": 0.0})
    yield Sample("no constant", (x(2, 4, 3), 3, 0.5, 0.75, 0.0))
    images_last = x(2, 4, 3, 5).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    yield Sample("channels last", (images_last, 3), strong)
    yield Sample("time first", (x(3, 4, 2).detach().transpose(0, 2).requires_grad_(), 3), strong)


def _length(randn: Draw, dtype: torch.dtype) -> Iterator[Sample]:
    for p in (2.0, 1.0, 0.0, 3.0, 1.5, 0.5, -1.0, math.inf, -math.inf):
        # not near 0, where a negative power overflows in half precision
        x = randn(3, 5, 4)
        x = (x + 0.5 * x.sign()).requires_grad_()
        yield Sample(f"order {p}", (x, p))
        yield Sample(f"order {p}, two axes", (x, p, (0, 2)), {"eps": 1e-3})
        # the shorter half of the vectors is divided by eps
        yield Sample(f"order {p}, too short", (x, p), {"eps": 2.0})
        kinks = torch.tensor([[3.0, 0.0, -3.0], [0.0, 0.0, 0.0], [1.0, 1.0, 2.0], [0.0, 2.0, -2.0]], dtype=dtype)
        yield Sample(f"order {p}, ties and zeros", (kinks.requires_grad_(), p), smooth=False)
        if p != 0:  # by forward mode torch has no slope there, and we have 0
            unknown = torch.tensor([[3.0, math.nan, -4.0], [1.0, 2.0, -2.0]], dtype=dtype)
            yield Sample(f"order {p}, a value unknown", (unknown.requires_grad_(), p), smooth=False)
    # where torch 2.11 differentiates the length, and later releases do not
    one = torch.ones((), dtype=dtype, requires_grad=True)
    with torch.enable_grad():
        (constant,) = torch.autograd.grad(one.clamp_min(1.0), one)
    if constant == 0:
        of_5 = torch.tensor([[3.0, 4.0], [4.0, 3.0]], dtype=dtype, requires_grad=True)
        yield Sample("as long as eps", (of_5,), {"eps": 5.0}, smooth=False)
    x = randn(3, 5, 4).requires_grad_()
    yield Sample("a whole number for the order", (x, 2))
    yield Sample("axes in a list, from the end", (x, 2.0, [-1, 0]))
    yield Sample("all axes", (x,), {"dim": None})
    yield Sample("all axes, in no words", (x,), {"dim": ()})
    yield Sample("no vectors", (randn(0, 3).requires_grad_(),))
    yield Sample("vectors without values", (randn(3, 0).requires_grad_(),))
    images_last = randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    yield Sample("channels last", (images_last,))
    yield Sample("into a tensor", (randn(3, 5, 4), 3.0), {"out": torch.empty(3, 5, 4, dtype=dtype)})


def _refused_batch_layer() -> Iterator[Sample]:
    yield Sample("one axis", (torch.ones(3),), init_args=(3,))
    yield Sample("no channels", (torch.ones(2, 0, 3),), init_args=(0,))
    yield Sample("one value a channel", (torch.ones(1, 3),), init_args=(3,))


def _refused_batch() -> Iterator[Sample]:
    x, mean, var = torch.ones(4, 3), torch.zeros(3), torch.ones(3)
    for name, args, kwargs in (
        ("one value a channel", (torch.ones(1, 3), None, None), {"training": True}),
        ("one value a channel, sequence", (torch.ones(1, 3, 1), mean, var), {"training": True}),
        ("one value", (torch.ones(1), None, None), {"training": True}),
        ("no axis of channels", (torch.ones(3), None, None), {"training": True}),
        ("no axis", (torch.ones(()), None, None), {"training": True}),
        ("no axis of channels, evaluation", (torch.ones(3), mean, var), {}),
        ("integers", (torch.ones(4, 3, dtype=torch.int64), None, None), {"training": True}),
        ("complex numbers", (torch.ones(4, 3, dtype=torch.complex64), None, None), {"training": True}),
        ("eps of 0 in training", (x, None, None), {"training": True, "eps": 0.0}),
        ("negative eps", (x, mean, var), {"eps": -1.0}),
        ("no statistics", (x, None, None), {}),
        ("no variance", (x, mean, None), {"training": True}),
        ("no mean", (x, None, var), {"training": True}),
        ("no mean in evaluation", (x, None, var), {}),
        ("no variance in evaluation", (x, mean, None), {}),
        ("too few statistics", (x, torch.zeros(2), torch.ones(2)), {}),
        ("too few weights", (x, mean, var, torch.ones(2)), {}),
        ("too many biases", (x, mean, var, None, torch.ones(4)), {}),
        ("statistics of another dtype", (x, mean.double(), var.double()), {}),
        ("weights of another dtype", (x, mean, var, var.double()), {}),
        ("single precision beside double", (x.double(), mean, var), {}),
        ("statistics of two dtypes", (x.half(), mean, var.half()), {}),
        ("double beside a half", (x.half(), mean.double(), var.double()), {}),
    ):
        yield Sample(name, args, kwargs)


def _refused_rows(*, layer: bool) -> Iterator[Sample]:
    x, w = torch.ones(2, 3, 4), torch.ones(4)
    yield Sample("a number for the shape", (x, 4))
    yield Sample("no shape", (x, ()))
    yield Sample("no shape, no axis", (torch.ones(()), ()))
    yield Sample("another size", (x, (5,)))
    yield Sample("the first axes", (x, (2, 3)))
    yield Sample("too many axes", (x, (1, 2, 3, 4)))
    yield Sample("no axis", (torch.ones(()), (1,)))
    yield Sample("too few weights", (x, (4,), torch.ones(3)))
    yield Sample("weights of the last axis alone", (x, (3, 4), w))
    yield Sample("weights in one row", (x, (3, 4), torch.ones(12)))
    yield Sample("integers", (torch.ones(2, 4, dtype=torch.int64), (4,)))
    yield Sample("booleans", (torch.ones(2, 4, dtype=torch.bool), (4,)))
    if layer:
        yield Sample("too few biases", (x, (4,), w, torch.ones(3)))
        yield Sample("weights of another dtype", (x, (4,), w.double()))
        yield Sample("a bias of another dtype", (x, (4,), None, w.double()))
        yield Sample("integers beside weights", (torch.ones(2, 4, dtype=torch.int64), (4,), w))
        yield Sample("half beside float", (x, (4,), w.half()))
        yield Sample("parameters of two dtypes", (x.half(), (4,), w, w.half()))
        yield Sample("double beside a half", (x.half(), (4,), w.double()))
        yield Sample("the other half", (x.half(), (4,), w.bfloat16()))
        yield Sample("complex numbers", (x.to(torch.complex64), (4,)))


def _refused_groups() -> Iterator[Sample]:
    x, w = torch.ones(2, 4, 3), torch.ones(4)
    yield Sample("no axis of channels", (torch.ones(4), 2))
    yield Sample("one value a group", (torch.ones(1, 4), 4))
    yield Sample("one value a group, sequence", (torch.ones(1, 4, 1), 4))
    yield Sample("no groups", (x, 0))
    yield Sample("one less than no groups", (x, -1))
    yield Sample("less than no groups", (x, -2))
    yield Sample("groups of different sizes", (x, 3))
    yield Sample("more groups than channels", (x, 8))
    yield Sample("no channels", (torch.ones(2, 0, 3), 1))
    yield Sample("no values", (torch.ones(2, 4, 0), 2))
    yield Sample("too few weights", (x, 2, torch.ones(3)))
    yield Sample("weights in a column", (x, 2, torch.ones(4, 1)))
    yield Sample("too few biases", (x, 2, None, torch.ones(3)))
    yield Sample("weights of another dtype", (x, 2, w.double()))
    yield Sample("a bias of another dtype", (x, 2, None, w.double()))
    yield Sample("half beside float", (x, 2, w.half()))
    yield Sample("parameters of two dtypes", (x.half(), 2, w, w.half()))
    yield Sample("integers", (torch.ones(2, 4, 3, dtype=torch.int64), 2))
    yield Sample("integers beside weights", (torch.ones(2, 4, 3, dtype=torch.int64), 2, w))
    yield Sample("complex numbers", (x.to(torch.complex64), 2))


def _refused_instances() -> Iterator[Sample]:
    x, mean, var = torch.ones(2, 4, 3), torch.zeros(4), torch.ones(4)
    for name, args, kwargs in (
        ("matrix", (torch.ones(3, 4),), {}),
        ("one value a channel", (torch.ones(3, 4, 1),), {}),
        ("vector", (torch.ones(4),), {}),
        ("a number", (torch.ones(()),), {}),
        ("vector, running statistics", (torch.ones(4), mean, var), {"use_input_stats": False}),
        ("a number, running statistics", (torch.ones(()), mean, var), {"use_input_stats": False}),
        ("no statistics", (x,), {"use_input_stats": False}),
        ("no running variance", (x, mean), {"use_input_stats": False}),
        ("no running mean", (x, None, var), {"use_input_stats": False}),
        ("no variance", (x, mean), {}),
        ("no mean", (x, None, var), {}),
        ("too few statistics", (x, mean[:3], var[:3]), {}),
        ("too small a variance", (x, mean, var[:3]), {}),
        ("statistics in a row", (x, mean[None], var[None]), {}),
        ("too few weights", (x, None, None, var[:3]), {}),
        ("too few biases", (x, None, None, None, var[:3]), {}),
        ("weights of another dtype", (x, None, None, var.double()), {}),
        ("weights of another dtype, running statistics", (x, mean, var, var.double()), {"use_input_stats": False}),
        ("half beside float", (x, None, None, var.half()), {}),
        ("integers", (torch.ones(2, 4, 3, dtype=torch.int64),), {}),
        ("integers beside weights", (torch.ones(2, 4, 3, dtype=torch.int64), None, None, var), {}),
        ("complex numbers", (x.to(torch.complex64),), {}),
    ):
        yield Sample(name, args, kwargs)


def _refused_response() -> Iterator[Sample]:
    x = torch.ones(2, 4, 3)
    yield Sample("matrix", (torch.ones(2, 4), 2))
    yield Sample("matrix without samples", (torch.ones(0, 4), 2))
    yield Sample("no window", (x, 0))
    yield Sample("less than no window", (x, -1))
    yield Sample("a fraction of a channel", (x, 2.5))
    yield Sample("integers", (x.long(), 2))
    yield Sample("booleans", (x.bool(), 2))
    yield Sample("complex numbers", (x.to(torch.complex64), 2))


def _refused_length() -> Iterator[Sample]:
    x = torch.ones(2, 4, 3)
    yield Sample("integers", (x.long(),))
    yield Sample("booleans", (x.bool(),))
    yield Sample("complex numbers", (x.to(torch.complex64),))
    yield Sample("no such axis", (x, 2.0, 3))
    yield Sample("an axis twice", (x, 2.0, (1, 1)))
    yield Sample("vector", (torch.ones(3),))
    yield Sample("the largest of nothing", (torch.ones(3, 0), math.inf))
    yield Sample("nuclear norm", (x, "nuc", (1, 2)))
    yield Sample("into whole numbers", (x,), {"out": torch.empty(2, 4, 3, dtype=torch.int64)})
    yield Sample("into a tensor, with a gradient", (x.clone().requires_grad_(),), {"out": torch.empty(2, 4, 3)})
    yield Sample("into a tensor that has a gradient", (x,), {"out": torch.empty(2, 4, 3, requires_grad=True)})


_SAMPLES: Mapping[str, Callable[[Draw, torch.dtype], Iterator[Sample]]] = {
    "batch_norm": _batch,
    "SyncBatchNorm": _batch_layer,
    "layer_norm": partial(_rows, with_bias=True),
    "rms_norm": partial(_rows, with_bias=False),
    "LayerNorm": _layer_norm_layer,
    "RMSNorm": _rows_of_layer,
    "group_norm": _groups,
    "GroupNorm": _group_layer,
    "instance_norm": _instances,
    "local_response_norm": _response,
    "normalize": _length,
    "InstanceNorm1d": partial(_instance_layer, axes=1),
    "InstanceNorm2d": partial(_instance_layer, axes=2),
    "InstanceNorm3d": partial(_instance_layer, axes=3),
}

_REFUSED: Mapping[str, Callable[[], Iterator[Sample]]] = {
    "batch_norm": _refused_batch,
    "SyncBatchNorm": _refused_batch_layer,
    "layer_norm": partial(_refused_rows, layer=True),
    "rms_norm": partial(_refused_rows, layer=False),
    "group_norm": _refused_groups,
    "instance_norm": _refused_instances,
    "local_response_norm": _refused_response,
    "normalize": _refused_length,
}

LAWS = {"SyncBatchNorm": (together_as_one, tangents_as_one)}


def _layer_inputs(*shape: int) -> Callable[[], tuple]:
    def inputs() -> tuple:
        C = shape[1]
        x = torch.randn(shape).requires_grad_()
        return x, torch.zeros(C), torch.ones(C), torch.ones(C).requires_grad_(), torch.zeros(C).requires_grad_()

    return inputs


def _case_of_rows(part: str, network: str, *shape: int) -> Case:
    def inputs() -> tuple:
        D = shape[-1]
        parameters = [torch.ones(D).requires_grad_(), torch.zeros(D).requires_grad_()][: 1 + (part == "layer_norm")]
        return torch.randn(shape).requires_grad_(), (D,), *parameters

    return Case(part, network, inputs)


_BATCH = tuple(
    Case("batch_norm", network, _layer_inputs(*shape), kwargs={"training": True})
    for network, shape in (
        ("ResNet-18, CIFAR, stage 1", (16, 64, 32, 32)),
        ("ResNet-18, CIFAR, stage 2", (16, 128, 16, 16)),
        ("ResNet-18, CIFAR, stage 4", (16, 512, 4, 4)),
        ("ResNet-18, ImageNet, stem", (4, 64, 112, 112)),
        ("ResNet-18, ImageNet, stage 3", (4, 256, 14, 14)),
        ("MobileNetV2, expansion", (4, 96, 56, 56)),
        ("multilayer perceptron", (128, 256)),
    )
)

_ROWS = (
    _case_of_rows("layer_norm", "GPT-2", 1, 256, 768),
    _case_of_rows("layer_norm", "small GPT", 8, 128, 128),
    _case_of_rows("layer_norm", "ConvNeXt-T, stage 1", 1, 56, 56, 96),
    _case_of_rows("rms_norm", "Llama-like", 1, 256, 1024),
    _case_of_rows("rms_norm", "small GPT", 8, 128, 128),
)


def _case_of_channels(part: str, network: str, *shape: int, groups: int | None = None) -> Case:
    def inputs() -> tuple:
        C = shape[1]
        parameters = torch.ones(C).requires_grad_(), torch.zeros(C).requires_grad_()
        return torch.randn(shape).requires_grad_(), *((None, None) if groups is None else (groups,)), *parameters

    return Case(part, network, inputs)


_CHANNELS = (
    _case_of_channels("group_norm", "ResNet-50 with groups, stage 1", 4, 64, 56, 56, groups=32),
    _case_of_channels("group_norm", "ResNet-50 with groups, stage 3", 4, 256, 14, 14, groups=32),
    _case_of_channels("group_norm", "diffusion U-Net", 2, 128, 32, 32, groups=32),
    _case_of_channels("instance_norm", "style transfer, first", 1, 32, 128, 128),
    _case_of_channels("instance_norm", "style transfer, residual", 1, 128, 64, 64),
)

_OTHERS = (
    Case("local_response_norm", "AlexNet, first", lambda: (torch.randn(4, 96, 27, 27).requires_grad_(), 5)),
    Case("local_response_norm", "AlexNet, second", lambda: (torch.randn(4, 256, 13, 13).requires_grad_(), 5)),
    Case("normalize", "FaceNet, embeddings", lambda: (torch.randn(512, 512).requires_grad_(),)),
    Case("normalize", "SSD, L2Norm", lambda: (torch.randn(2, 512, 38, 38).requires_grad_(),)),
)

BENCH = _BATCH + _ROWS + _CHANNELS + _OTHERS
