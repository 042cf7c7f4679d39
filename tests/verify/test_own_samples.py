"""The samples of our own notice who ignores an argument, of which PyTorch has no sample."""

import inspect
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conceptlab.verify import samples, verify

IGNORED = {
    "AlphaDropout": {"p": 0.5},
    "CELU": {"alpha": 1.0, "inplace": False},
    "ChannelShuffle": {"groups": 2},
    "CosineSimilarity": {"dim": 1, "eps": 1e-8},
    "Dropout": {"p": 0.5},
    "EmbeddingBag": {
        "include_last_offset": False,
        "max_norm": None,
        "mode": "mean",
        "norm_type": 2.0,
        "padding_idx": None,
        "scale_grad_by_freq": False,
        "sparse": False,
    },
    "Flatten": {"end_dim": -1, "start_dim": 1},
    "Fold": {"dilation": 1, "padding": 0, "stride": 1},
    "Hardsigmoid": {"inplace": False},
    "Hardswish": {"inplace": False},
    "MaxUnpool1d": {"padding": 0, "stride": 2},
    "MaxUnpool2d": {"padding": 0, "stride": 2},
    "MaxUnpool3d": {"padding": 0, "stride": 2},
    "Mish": {"inplace": False},
    "PairwiseDistance": {"eps": 1e-6, "keepdim": False, "norm": 2.0},
    "PixelShuffle": {"upscale_factor": 2},
    "PixelUnshuffle": {"downscale_factor": 2},
    "RReLU": {"inplace": False, "lower": 1 / 8, "upper": 1 / 3},
    "TransformerDecoder": {"norm": None},
    "TripletMarginLoss": {"eps": 1e-6, "margin": 1.0, "p": 2.0, "reduction": "mean", "swap": False},
    "TripletMarginWithDistanceLoss": {"margin": 1.0, "reduction": "mean", "swap": False},
    "Unflatten": {"dim": 1},
    "Unfold": {"dilation": 1, "padding": 0, "stride": 1},
    "Upsample": {"align_corners": None, "mode": "nearest", "recompute_scale_factor": None},
    "affine_grid": {"align_corners": False},
    "celu": {"alpha": 1.0, "inplace": False},
    "embedding": {"max_norm": None, "norm_type": 2.0},
    "fold": {"dilation": 1, "padding": 0, "stride": 1},
    "gumbel_softmax": {"dim": -1, "hard": False, "tau": 1.0},
    "hardsigmoid": {"inplace": False},
    "hardswish": {"inplace": False},
    "lp_pool1d": {"ceil_mode": False, "norm_type": 2.0, "stride": None},
    "lp_pool2d": {"ceil_mode": False, "norm_type": 2.0, "stride": None},
    "lp_pool3d": {"ceil_mode": False, "norm_type": 2.0, "stride": None},
    "mish": {"inplace": False},
    "rrelu": {"inplace": False, "lower": 1 / 8, "training": False, "upper": 1 / 3},
    "upsample": {"mode": "nearest"},
}


def without(own, argument, default):
    """torch's own, but for an argument that always has its default."""
    if isinstance(own, type):

        class Ignoring(own):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                setattr(self, argument, default)

        return Ignoring

    def ignoring(*args, **kwargs):
        call = inspect.signature(own).bind(*args, **kwargs)
        call.arguments[argument] = default
        with warnings.catch_warnings(record=True, action="always") as warned:
            result = own(*call.args, **call.kwargs)
        for warning in warned:
            warnings.warn(warning.message, stacklevel=2)  # F.upsample is deprecated: it points to who calls it
        return result

    return ignoring


CASES = [(name, *item) for name, ignored in IGNORED.items() for item in ignored.items()]


@pytest.mark.parametrize(("name", "argument", "default"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_an_ignored_argument_is_noticed(name, argument, default):
    own = getattr(nn, name, None) or getattr(F, name)
    report = verify(without(own, argument, default), like=own, only=["behaviour", "values"])
    assert not report.passed
    assert all(result.passed for result in report.results), "where the argument has its default, it is right"


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own
@pytest.mark.parametrize("name", samples.names())
def test_torch_refuses_none_of_them(name):
    own = getattr(nn, name, None) or getattr(F, name)
    for sample in samples.samples(name, torch.float64):
        call = own(*sample.init_args, **sample.init_kwargs).double() if isinstance(own, type) else own
        args = [a.clone() if isinstance(a, torch.Tensor) else a for a in sample.args]
        call(*args, **sample.kwargs)


@pytest.mark.parametrize(("name", "smallest"), [("layer_norm", 64), ("linear", 64), ("softmax", 16)])
def test_shapes_of_networks_reach_what_small_ones_do_not(name, smallest):
    own = getattr(F, name)

    def wrong_if_large(input, *args, **kwargs):
        return own(input, *args, **kwargs) * (1 if input.shape[-1] < smallest else 1.001)

    assert not verify(wrong_if_large, like=name, only=["values"]).passed
