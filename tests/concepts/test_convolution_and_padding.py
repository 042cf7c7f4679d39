"""What the general checks do not reach: refusals, spellings, autocast, batches of weights, complex numbers."""

import pytest
import torch
import torch.nn.functional as F

from conceptlab.core import registry
from conceptlab.verify.closeness import check_same

X, W = torch.randn(2, 4, 6, 5, dtype=torch.float64), torch.randn(3, 4, 3, 3, dtype=torch.float64)

BOTH, HANDMADE = ("naive", "handmade"), ("handmade",)
REFUSED = [
    ("conv2d", "three strides for two axes", (X, W, None, (1, 2, 3)), "stride", BOTH),
    ("conv_transpose2d", "three strides for two axes", (X, W.mT, None, (1, 2, 3)), "expected stride to", HANDMADE),
    ("conv2d", "an unknown padding", (X, W, None, 1, "unknown"), "Invalid padding string", BOTH),
    ("conv2d", "strided and same", (X, W, None, 2, "same"), "not supported for strided convolutions", BOTH),
    ("conv2d", "negative padding", (X, W, None, 1, -1), "padding", BOTH),
    ("conv2d", "no channels' axis", (X[0, 0], W), "input", BOTH),
    ("conv2d", "a matrix as weight", (X, W[0, 0]), "weight", ("naive",)),
    ("conv2d", "a matrix as weight", (X, W[0, 0]), "at least three dimensions", HANDMADE),
    ("conv2d", "another number of channels", (X[:, :3], W), "weight", BOTH),
    ("conv2d", "another number of biases", (X, W, W[:2, 0, 0, 0]), "bias|size of tensor", BOTH),
    ("conv2d", "another dtype", (X, W.float()), "type", BOTH),
    ("conv2d", "groups that do not divide", (X, W[:, :2], None, 1, 0, 1, 2), "groups", BOTH),
    ("conv2d", "less than a window", (X[:, :, :2], W), "weight|Kernel size", BOTH),
    ("conv2d", "nothing but padding", (X[:, :, :0], W, None, 1, 2), "Kernel size", HANDMADE),
    ("conv2d", "Booleans", (X.bool(), W.bool()), "not implemented", HANDMADE),
    ("pad", "an odd length", (X, (1,)), "Padding length", BOTH),
    ("pad", "more axes than there are", (X, (1,) * 10), "Padding length", BOTH),
    ("pad", "an unknown mode", (X, (1, 1), "unknown"), "Unrecognised padding mode", BOTH),
    ("pad", "cut more than there is", (X, (-3, -3)), "non-negative|does not go with size", BOTH),
    ("pad", "a value for a mirror", (X, (1, 1, 1, 1), "reflect", 2.0), "take in value argument", HANDMADE),
    ("pad", "one axis of an image", (X, (1, 1), "replicate"), "not supported for 4D input", HANDMADE),
    ("pad", "Booleans in a mirror", (X.bool(), (1, 1, 1, 1), "reflect"), "not implemented for 'Bool'", HANDMADE),
    ("pad", "no edge", (X[..., :0], (1, 1, 0, 0), "replicate"), "non-zero dimensions|exceeds dimension size", BOTH),
    ("pad", "more than a mirror shows", (X, (5, 0, 0, 0), "reflect"), "Padding size should be less than", BOTH),
    ("pad", "more than once round", (X, (0, 6, 0, 0), "circular"), "around more than once|does not go with size", BOTH),
]


@pytest.mark.parametrize(
    ("name", "args", "words", "tier"),
    [
        pytest.param(name, args, words, tier, id=f"{name}-{tier}-{what}")
        for name, what, args, words, tiers in REFUSED
        for tier in tiers
    ],
)
def test_what_torch_refuses_is_refused_with_its_type(name, args, words, tier):
    """With torch's type of exception, and in words that say what is wrong, and not what went wrong after it."""
    part = registry.parts[name]
    with pytest.raises((RuntimeError, NotImplementedError)) as theirs:
        part.torch(*args)
    with pytest.raises(theirs.type, match=words):
        part.tiers[tier](*args)


def test_no_channels_add_up_to_nothing():
    # torch's own result has no channels either
    y = registry.parts["conv2d"].tiers["handmade"](X[:, :0], W[:, :0], W[:, 0, 0, 0])
    check_same(y, W[:, 0, 0, 0].reshape(1, 3, 1, 1).expand(2, 3, 4, 3), "value", strides=False)


NN = torch._C._nn
SPELLINGS = [
    (torch.convolution, (X, W, None, (1, 2), (1, 0), (1, 1), False, (0, 0), 1)),
    (torch.convolution, (X[:, :, 0], W[..., 0], W[:, 0, 0, 0], (2,), (1,), (1,), False, (0,), 1)),
    (torch.convolution, (X, W.transpose(0, 1), None, (1, 2), (1, 0), (1, 1), True, (0, 1), 1)),
    (torch.convolution, (X, W.transpose(0, 1), None, (1, 3), (4, 0), (3, 1), True, (1, 2), 1)),
    (torch.convolution, (X[:, :2, 0], W[:2, :, 0], None, (2,), (3,), (1,), True, (1,), 2)),
    (torch.constant_pad_nd, (X, (1, 2), 3.0)),
    (NN.reflection_pad2d, (X, (1, 2, 3, 0))),
    (NN.replication_pad1d, (X[0], (1, 2))),
    (NN._pad_circular, (X, (1, 2, 3, 0))),
]


@pytest.mark.parametrize(("spelling", "args"), SPELLINGS)
def test_spellings(spelling, args):
    part, adapter = registry.spellings[spelling]
    check_same(adapter(part.tiers["handmade"], *args), spelling(*args), "value")


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_under_autocast(mode):
    x, volume = torch.randn(2, 3, 4, 5).bfloat16(), torch.randn(1, 2, 3, 4, 5).bfloat16()
    pad = registry.parts["pad"].tiers["handmade"]
    with torch.autocast("cpu"):
        assert pad(x, (1, 1, 1, 1), mode).dtype is F.pad(x, (1, 1, 1, 1), mode).dtype
        assert pad(volume, (1,) * 6, mode).dtype is F.pad(volume, (1,) * 6, mode).dtype


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_forward_over_reverse(mode):
    x, tangent = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(2, 3, 4, 5, dtype=torch.float64)
    results = []
    for pad in (registry.parts["pad"].tiers["handmade"], F.pad):
        gradient = torch.func.grad(lambda x, pad=pad: pad(x, (2, 1, 1, 2), mode).sin().sum())
        results.append(torch.func.jvp(gradient, (x,), (tangent,)))
    check_same(*results, "Hessian-vector product", strides=False)


@pytest.mark.parametrize("in_dims", [(0, None, None), (None, 0, None), (0, 0, 0), (1, 2, 0), (None, None, 0)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_batches_of_images_and_of_weights(in_dims, groups):
    generator = torch.Generator().manual_seed(0)

    def batch(dim, *shape):
        shape = list(shape)
        if dim is not None:
            shape.insert(dim, 3)
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x, w = batch(in_dims[0], 2, 4, 6, 5), batch(in_dims[1], 4, 4 // groups, 3, 3)
    b = batch(in_dims[2], 4)

    def loss(conv):
        def of_inputs(x, w, b):
            return conv(x, w, b, 2, 1, 1, groups).sin().sum()

        return of_inputs

    def derivatives(conv):
        gradient = torch.func.grad(loss(conv), argnums=(0, 1, 2))
        # a Hessian-vector product, forward over reverse: every rule under vmap, and in forward mode
        return torch.vmap(
            lambda *primals: torch.func.jvp(gradient, primals, tuple(p.cos() for p in primals)), in_dims=in_dims
        )(x, w, b)

    check_same(derivatives(registry.parts["conv2d"].tiers["handmade"]), derivatives(F.conv2d), "hvp", strides=False)


def test_complex_numbers():
    def run(conv):
        x, w = (t.to(torch.complex128).mul(1 + 2j).requires_grad_() for t in (X, W))
        y = conv(x, w, None, 1, 1)
        return y, *torch.autograd.grad(y, (x, w), torch.ones_like(y) * (2 - 1j))

    check_same(run(registry.parts["conv2d"].tiers["handmade"]), run(F.conv2d), "complex", strides=False)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_one_seed_gives_the_same_layer(mode):
    settings = {"padding": (2, 1), "padding_mode": mode, "device": "cpu"}
    torch.manual_seed(0)
    theirs = torch.nn.Conv2d(4, 3, 3, **settings)
    torch.manual_seed(0)
    ours = registry.parts["Conv2d"].tiers["handmade"](4, 3, 3, **settings)
    check_same(dict(ours.state_dict()), dict(theirs.state_dict()), "weights")
    check_same(ours(X.float()), theirs(X.float()), "value", bound=1e-6)


OVERLAPPING = torch.arange(60.0).as_strided((1, 4, 3, 4), (60, 1, 8, 2))
SCATTERED = torch.arange(160.0).reshape(2, 2, 5, 8)[..., ::2]
ONE_CHANNEL = torch.arange(40.0).reshape(2, 1, 5, 4).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("x", [OVERLAPPING, SCATTERED, ONE_CHANNEL], ids=["overlapping", "scattered", "one-channel"])
def test_in_what_order_a_padded_image_lies(x):
    """Of images that are no copies, as the inputs of `conceptlab verify` are."""
    received, expected = registry.parts["pad"].tiers["handmade"](x, (1, 1)), F.pad(x, (1, 1))
    assert torch.equal(received, expected)
    assert received.stride() == expected.stride()
