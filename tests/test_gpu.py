"""On CUDA: what the other tests only simulate on a CPU. Made from the registry; skipped where there is no CUDA."""

import copy

import pytest
import torch
import torchvision
from torch.utils._pytree import tree_map

import conceptlab as cl
from conceptlab import transforms as our_transforms
from conceptlab.core import registry
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import channels_last, gradients, run, step_away
from conceptlab.verify.closeness import ErrorRatio, check_same
from conceptlab.verify.suite import layers
from conceptlab.verify.suite.surroundings import kinds
from conceptlab.verify.tally import each, or_none
from conceptlab.verify.target import Target, tier_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA: torch.cuda.is_available() is false"),
]

DEVICE = "cuda"
RANDOM = ("dropout", "initialization")
FUNCTIONS = [p for p in registry.parts.values() if not p.is_class and p.concept not in RANDOM and "handmade" in p.tiers]
LAYERS = [p for p in registry.parts.values() if Target(p, p.torch).kind == "layer" and p.concept not in RANDOM]
OPTIMIZERS = [p for p in registry.parts.values() if p.home == "torch.optim"]


@pytest.fixture(autouse=True)
def plain_float32():
    """One precision for both sides: TF32, which cuDNN's convolutions use by default, would be torch's alone."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def moved(value, dtype=None):
    if not isinstance(value, torch.Tensor):
        return value
    dtype = dtype if value.is_floating_point() else None
    return value.detach().to(DEVICE, dtype).requires_grad_(value.requires_grad)


def call(function, sample, dtype=None, layout=None):
    """A call on CUDA, with its gradients there."""
    args, kwargs = tree_map(lambda v: moved(v, dtype), (sample.args, dict(sample.kwargs)))
    return run(function, args, kwargs, layout=layout)


def few(part, most=60):
    """Samples of a part, evenly chosen: the rest of them differ in values alone."""
    every = list(torch_samples.function_samples(part, torch.float64)) or kinds(tier_of(part, "handmade"))
    return every[:: 1 + len(every) // most]


def ids(parts):
    return [part.name for part in parts]


@pytest.mark.parametrize("part", FUNCTIONS, ids=ids(FUNCTIONS))
def test_values_and_gradients_in_float64(part):
    def compare(sample):
        theirs = or_none(lambda: call(part.torch, sample))
        if theirs is None:
            return
        ours = call(part.tiers["handmade"], sample)
        check_same(ours.output, theirs.output, "value", strides=False)
        expected = or_none(lambda: gradients(theirs))
        if expected is not None:
            check_same(gradients(ours), expected, "gradient", noise=1e-13, strides=False)

    each(few(part), compare).raise_if_failed()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("part", FUNCTIONS, ids=ids(FUNCTIONS))
def test_precision(part, dtype):
    """The error against float64 is at most four times torch's own."""
    values, grads = ErrorRatio(slack=2.0), ErrorRatio(slack=2.0)

    def compare(sample):
        theirs = or_none(lambda: call(part.torch, sample, dtype))
        if theirs is None or not isinstance(theirs.output, torch.Tensor):
            return
        theirs_grads = or_none(lambda: gradients(theirs))
        ours = call(part.tiers["handmade"], sample, dtype)
        # what all see is rounded once, to ``dtype``
        rounded = tree_map(lambda v: moved(moved(v, dtype), torch.float64), (sample.args, dict(sample.kwargs)))
        exact = run(part.torch, *rounded)
        values.add([ours.output], [theirs.output], [exact.output])
        if theirs_grads is not None:
            grads.add(*([g for g in gs if g is not None] for gs in (gradients(ours), theirs_grads, gradients(exact))))

    each(few(part), compare).raise_if_failed()
    values.check("value", torch.finfo(dtype).eps)
    grads.check("gradient", torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("part", FUNCTIONS, ids=ids(FUNCTIONS))
def test_autocast_dtypes(part, dtype):
    def inside(function):
        def autocast(*args, **kwargs):
            with torch.autocast(DEVICE, dtype):
                return function(*args, **kwargs)

        return autocast

    def dtypes(values):
        return tree_map(lambda t: t.dtype if isinstance(t, torch.Tensor) else t, values)

    def compare(sample):
        for first in (torch.float32, dtype):
            theirs = or_none(lambda first=first: call(inside(part.torch), sample, first))
            if theirs is None:
                continue
            ours = call(inside(part.tiers["handmade"]), sample, first)
            check_same(dtypes(ours.output), dtypes(theirs.output), "dtype")
            expected = or_none(lambda theirs=theirs: gradients(theirs))
            if expected is not None:
                check_same(dtypes(gradients(ours)), dtypes(expected), "dtype of the gradient")

    each(kinds(tier_of(part, "handmade")), compare).raise_if_failed()


@pytest.mark.parametrize("part", FUNCTIONS, ids=ids(FUNCTIONS))
def test_channels_last(part):
    def compare(sample):
        theirs = or_none(lambda: call(part.torch, sample, layout=channels_last))
        if theirs is None or not isinstance(theirs.output, torch.Tensor):
            return
        ours = call(part.tiers["handmade"], sample, layout=channels_last)
        check_same(ours.output, theirs.output, "value", strides=False)
        for layout in (torch.channels_last, torch.channels_last_3d):
            if theirs.output.dim() == (4 if layout is torch.channels_last else 5) and theirs.output.numel():
                both = [o.output.is_contiguous(memory_format=layout) for o in (ours, theirs)]
                assert both[0] >= both[1], f"torch's is {layout}, and ours is not: {sample.name}"

    each(kinds(tier_of(part, "handmade")), compare).raise_if_failed()


@pytest.mark.parametrize("part", FUNCTIONS, ids=ids(FUNCTIONS))
def test_compiled_by_inductor(part):
    sample = next((s for s in few(part) if s.args and isinstance(s.args[0], torch.Tensor) and s.args[0].numel()), None)
    if sample is None:
        pytest.skip("no sample with values")
    torch.compiler.reset()
    args, kwargs = tree_map(lambda v: moved(v, torch.float32), (sample.args, dict(sample.kwargs)))

    @torch.compile(fullgraph=True)
    def whole(*args):
        return part.tiers["handmade"](*map(step_away, args), **kwargs)

    ours = run(whole, args, {}, leaves_first=True)
    theirs = run(part.torch, args, kwargs)
    check_same(ours.output, theirs.output, "compiled value", bound=1e-4, strides=False)
    check_same(gradients(ours), gradients(theirs), "compiled gradient", bound=1e-4, strides=False)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("part", LAYERS, ids=ids(LAYERS))
def test_layer(part, training):
    def compare(sample):
        ours, theirs = (m.to(DEVICE).train(training) for m in layers.pair(tier_of(part, "handmade"), sample))
        expected = or_none(lambda: call(theirs, sample))
        if expected is None:
            return
        received = call(ours, sample)
        check_same(received.output, expected.output, "value", strides=False)
        for outcome, module in ((received, ours), (expected, theirs)):
            outcome.leaves.extend(p for p in module.parameters() if p.requires_grad)
        check_same(gradients(received), gradients(expected), "gradient", noise=1e-13, strides=False)
        check_same(dict(ours.named_buffers()), dict(theirs.named_buffers()), "buffers")

    every = list(torch_samples.class_samples(part, torch.float64, training=training))
    each(every[:: 1 + len(every) // 40], compare).raise_if_failed()


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("name", ["dropout", "dropout1d", "dropout2d", "dropout3d"])
def test_dropout_drops_or_rescales_at_the_rate_p(name, p):
    x = torch.ones(64, 512, *[1] * ("123".find(name[-2]) + 1), device=DEVICE, requires_grad=True)
    y = registry.parts[name].tiers["handmade"](x, p, training=True)
    dropped = y == 0
    torch.testing.assert_close(y[~dropped], torch.full_like(y[~dropped], 1 / (1 - p)))
    spread = (p * (1 - p) / y.numel()) ** 0.5
    assert abs(dropped.double().mean().item() - p) < 5 * spread
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert torch.equal(gradient, y.detach())  # the same mask


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name):
    x = torch.randn(1000, 1000, device=DEVICE)
    y = registry.parts[name].tiers["handmade"](x, 0.3, training=True)
    assert abs(y.mean().item()) < 0.02
    assert abs(y.var().item() - 1) < 0.02


def test_initialization_by_laws():
    init = {name: registry.parts[name].tiers["handmade"] for name in ("uniform_", "normal_", "trunc_normal_")}
    w = torch.empty(1000, 1000, device=DEVICE)
    low, high = init["uniform_"](w, -1.0, 2.0).aminmax()
    assert low >= -1
    assert high <= 2
    assert abs(w.mean().item() - 0.5) < 5 * (9 / 12 / w.numel()) ** 0.5
    init["normal_"](w, 1.0, 2.0)
    assert abs(w.mean().item() - 1) < 5 * 2 / w.numel() ** 0.5
    assert abs(w.std().item() - 2) < 0.02
    assert init["trunc_normal_"](w, 0.0, 1.0, -0.5, 1.5).aminmax().max <= 1.5


@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "RandomVerticalFlip"])
def test_random_flips_on_the_device(name):
    transform = getattr(our_transforms, name)(p=0.5)
    x = torch.arange(48.0, device=DEVICE).reshape(3, 4, 4)
    flipped = x.flip(-1 if name == "RandomHorizontalFlip" else -2)
    results = [transform(x) for _ in range(200)]
    assert all(torch.equal(y, x) or torch.equal(y, flipped) for y in results)
    assert 60 < sum(torch.equal(y, flipped) for y in results) < 140


@pytest.mark.parametrize(
    "name", ["RandomCrop", "CenterCrop", "Resize", "GaussianBlur", "RandomRotation", "ColorJitter"]
)
def test_augmentation_agrees_with_the_cpu(name):
    settings = {"GaussianBlur": (3,), "RandomRotation": (30,), "ColorJitter": (0.5, 0.5, 0.5, 0.1)}
    transform = getattr(our_transforms, name)(*settings.get(name, (8,)))
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    results = []
    for device in ("cpu", DEVICE):
        torch.manual_seed(1)
        results.append(transform(image.to(device)).cpu())
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("part", OPTIMIZERS, ids=ids(OPTIMIZERS))
def test_optimizer_steps(part):
    def trajectory(cls, setting, **tier):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).to(DEVICE).double()
        x = torch.randn(32, 8, dtype=torch.float64).to(DEVICE)
        optimizer = cls(model.parameters(), **setting, **tier)
        for _ in range(50):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        return list(model.parameters())

    for sample in torch_samples.optimizer_samples(part, device=DEVICE):
        setting = {
            k: v for k, v in sample.init_kwargs.items() if k not in ("foreach", "fused", "capturable", "differentiable")
        }
        expected = trajectory(part.torch, setting)
        check_same(trajectory(part.tiers["handmade"], setting, tier="handmade"), expected, sample.name)


@pytest.fixture(scope="module")
def resnets():
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=10)
    ours = copy.deepcopy(theirs)
    cl.swap(ours, "handmade", functions=True)
    return ours, theirs


def training_step(model, dtype, channels=torch.contiguous_format):
    model = copy.deepcopy(model).to(DEVICE, dtype, memory_format=channels).train()
    x = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x.to(DEVICE, dtype, memory_format=channels)
    target = torch.arange(8, device=DEVICE)
    torch.cuda.reset_peak_memory_stats()
    logits = model(x)
    torch.nn.functional.cross_entropy(logits, target).backward()
    peak = torch.cuda.max_memory_allocated()
    return [logits.detach(), *(p.grad for p in model.parameters())], peak


@pytest.mark.parametrize("channels", [torch.contiguous_format, torch.channels_last], ids=str)
def test_a_training_step_of_resnet18(resnets, channels):
    (ours, our_peak), (theirs, their_peak), (exact, _) = (
        training_step(model, dtype, channels)
        for model, dtype in ((resnets[0], torch.float32), (resnets[1], torch.float32), (resnets[1], torch.float64))
    )
    ratio = ErrorRatio(slack=2.0)
    ratio.add(ours, theirs, exact)
    # eighteen layers deep, the two errors are two draws from one distribution
    assert (sum(ratio.ours) / sum(ratio.theirs)) ** 0.5 < 4
    assert our_peak < 3 * their_peak, f"peak memory {our_peak / 2**20:.0f} MiB, torch's {their_peak / 2**20:.0f} MiB"
