"""Every defect in the museum is found, its cause named, and shown by code; and nobody is accused who is right."""

import warnings

import pytest
import torch
from torch import Tensor, nn

from conceptlab.core import Rule, save
from conceptlab.core.samples import Sample
from conceptlab.verify import checks, verify
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.museum import PIECES
from conceptlab.verify.museum.normalization import RightBatchNorm2d
from conceptlab.verify.museum.optimizers import RightAdam
from conceptlab.verify.reproduction import explain
from conceptlab.verify.tally import Failure, Tally
from conceptlab.verify.target import target

IN_SUITE = [piece for piece in PIECES if piece.like != "Adam"]
OPTIMIZERS = [piece for piece in PIECES if piece.like == "Adam"]


def failing(code):
    """What the code raises, typed into a fresh prompt."""
    with warnings.catch_warnings(action="ignore"):
        try:
            exec(compile(code, "<prompt>", "exec"), {})
        except Exception as error:
            return error
    return None


def marks(piece):
    return pytest.mark.slow if piece.like == "max_pool2d" else ()


@pytest.mark.parametrize("piece", [pytest.param(p, id=str(p), marks=marks(p)) for p in IN_SUITE])
@pytest.mark.filterwarnings("ignore")
def test_the_first_check_that_finds_a_defect_names_it_and_shows_it(piece):
    tallies = ((check, check.check(check.target)) for check in checks(piece.implementation, piece.like))
    check, tally = next((check, tally) for check, tally in tallies if tally.failures)
    found = explain(check.check, check.target, tally.failures)
    missing = [word for word in piece.words if word not in found.cause]
    assert not missing, f"{check} says {found.cause!r}"
    assert failing(found.code) is not None, found.code
    assert (
        "rerun(" in found.code or ("expected" in found.output and "received" in found.output) or "Error" in found.output
    )


@pytest.mark.parametrize("piece", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_what_is_wrong_with_an_optimizer(piece, weight_decay):
    if ("DecoupledDecay" in str(piece)) != bool(weight_decay) and "Power" not in str(piece):
        pytest.skip("it is right without weight decay, or the decay makes eps too small to be seen")
    aim = target(piece.implementation, piece.like)
    failure = Failure(Sample("first steps", init_kwargs={"weight_decay": weight_decay}), Mismatch("they part"))
    found = explain(_no_check, aim, [failure])
    assert [word for word in piece.words if word not in found.cause] == [], found.cause
    assert isinstance(failing(found.code), AssertionError), found.code
    assert "expected" in found.output


def _no_check(target):
    return Tally()


@pytest.mark.parametrize("piece", OPTIMIZERS, ids=str)
def test_optimizers_of_the_museum_are_found(piece):
    causes = (check.result().cause for check in checks(piece.implementation, piece.like))
    assert any(all(word in cause for word in piece.words) for cause in causes)


class SummedBackwards(Rule):
    """Softmax, with all sums from the last to the first."""

    @staticmethod
    def forward(x, dim):
        exponentials = (x - x.amax(dim, keepdim=True)).exp() if x.numel() else x.exp()
        return exponentials / summed_backwards(exponentials, dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.dim = inputs[1]
        save(ctx, output)

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return y * (grad - summed_backwards(grad * y, ctx.dim)), None

    @staticmethod
    def jvp(ctx, tangent, _):
        (y,) = ctx.saved_tensors
        return y * (tangent - summed_backwards(tangent * y, ctx.dim))


def summed_backwards(x: Tensor, dim: int) -> Tensor:
    return x.flip(dim).cumsum(dim).narrow(dim, -1, 1) if x.dim() and x.shape[dim] else x.sum(dim, keepdim=True)


def softmax_summed_backwards(input, dim=None, _stacklevel=3, dtype=None):
    if dim is None:
        return torch.nn.functional.softmax(input, dim, _stacklevel + 1, dtype)
    x = input if dtype is None else input.to(dtype)
    if not x.is_floating_point() and not x.is_complex():
        raise NotImplementedError(f"softmax: expected a floating-point tensor, received {x.dtype}.")
    if x.dtype in (torch.float16, torch.bfloat16):
        # CUDA's autocast leaves softmax in float32
        y = SummedBackwards.call(x.float(), dim)
        return y if torch.is_autocast_enabled("cuda") else y.to(x.dtype)
    return SummedBackwards.call(x.contiguous(), dim)


class BatchNormInChunks(RightBatchNorm2d):
    """Mean and variance in two passes, a chunk of channels at a time, the sums in float64."""

    def moments(self, input: Tensor) -> tuple[Tensor, Tensor]:
        chunks = [super(BatchNormInChunks, self).moments(x.double()) for x in input.split(1, dim=1)]
        mean, variance = (torch.cat(each).to(input.dtype) for each in zip(*chunks, strict=True))
        return mean, variance


class LinearByOuterProducts(nn.Linear):
    """The sum over the inputs, one column of the weight at a time."""

    def forward(self, input: Tensor) -> Tensor:
        y = sum(input[..., i, None] * self.weight[:, i] for i in range(self.in_features))
        return y if self.bias is None else y + self.bias


# plain autograd keeps more for the backward pass than torch's own, whatever the order
KEEPS_MORE = {"saved_memory"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("implementation", "like", "rightly"),
    [
        (softmax_summed_backwards, "softmax", set()),
        (BatchNormInChunks, "BatchNorm2d", KEEPS_MORE),
        (LinearByOuterProducts, "Linear", KEEPS_MORE),
        (RightBatchNorm2d, "BatchNorm2d", KEEPS_MORE),
        (RightAdam, "Adam", {"differentiable"}),  # its step is not, which torch's is where that is asked for
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.filterwarnings("ignore")
def test_another_order_of_summation_is_not_accused(implementation, like, rightly):
    accused = {result.check: result.failures[0] for result in verify(implementation, like).failed}
    assert accused.keys() <= rightly, accused
