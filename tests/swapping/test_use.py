"""`use`: what it hears, and each of its limits."""

import copy
import pickle
import threading
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import conceptlab as cl


def marked(input, inplace=False):
    return torch.clamp(input, min=0) + 1


def marked_linear(input, weight, bias=None):
    return input @ weight.t() + 100


@pytest.fixture
def x():
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def test_all_spellings_are_heard(x):
    with cl.use({"relu": marked}) as used:
        results = [F.relu(x), torch.relu(x), x.relu(), nn.ReLU()(x), F.relu(x, inplace=False)]
    assert used.counts == Counter(relu=5)
    assert all(torch.equal(y, marked(x)) for y in results)
    assert torch.equal(F.relu(x), x.clamp(min=0))


def test_in_place_spellings(x):
    with cl.use("handmade") as used:
        y = x.clone()
        assert y.relu_() is y
        assert torch.equal(y, x.clamp(min=0))
        z = x.clone()
        assert torch.relu_(z) is z
    assert used.counts["relu"] == 2


def test_only_parts_of_the_setting(x):
    with cl.use({"linear": "handmade"}) as used:
        F.relu(F.linear(x, x))
    assert used.counts == {"linear": 1}
    with cl.use({"default": "handmade", "linear": "builtin"}) as used:
        F.relu(F.linear(x, x))
    assert used.counts == {"relu": 1}


def test_nesting_the_inner_one_wins(x):
    with cl.use({"relu": marked, "linear": "handmade"}) as outer:
        with cl.use({"relu": "naive"}) as inner:
            assert torch.equal(F.relu(x), x.clamp(min=0))
            F.linear(x, x)  # goes to the outer one
        assert torch.equal(F.relu(x), marked(x))
    assert inner.counts == {"relu": 1}
    assert outer.counts == {"relu": 1, "linear": 1}


def test_nesting_builtin_inside_is_torchs_own(x):
    with cl.use({"relu": marked}) as outer, cl.use({"relu": "builtin"}) as inner:
        assert torch.equal(F.relu(x), x.clamp(min=0))
        assert torch.equal(x.relu(), x.clamp(min=0))
    assert outer.counts == inner.counts == {}


def test_again_copied_and_pickled(x):
    block = cl.use({"relu": marked})
    for same in (block, copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        for _ in range(2):
            with same:
                assert torch.equal(F.relu(x), marked(x))
        assert same.counts["relu"] == 2


def test_it_ends_with_an_exception(x):
    with pytest.raises(ZeroDivisionError), cl.use({"relu": marked}):
        1 / 0  # noqa: B018
    assert torch.equal(F.relu(x), x.clamp(min=0))


@pytest.mark.parametrize("tier", ["naive", "handmade"])
def test_gradients(x, tier):
    x.requires_grad_()
    weight = torch.randn(2, 4, requires_grad=True)

    def gradients():
        return torch.autograd.grad(F.relu(F.linear(x, weight)), (x, weight), torch.arange(6.0).reshape(3, 2))

    expected = gradients()
    with cl.use(tier) as used:
        torch.testing.assert_close(gradients(), expected)
    assert used.counts == {"relu": 1, "linear": 1}


def test_limit_other_threads(x):
    heard = []
    with cl.use({"relu": marked}):
        thread = threading.Thread(target=lambda: heard.append(F.relu(x)))
        thread.start()
        thread.join()
    assert torch.equal(heard[0], x.clamp(min=0))


def test_limit_inside_what_it_lets_through():
    attention = nn.MultiheadAttention(4, 2, dropout=0.0)
    x = torch.randn(3, 1, 4)
    with cl.use({"linear": marked_linear}) as used:
        attention(x, x, x)
    assert not used.counts  # torch's multi_head_attention_forward calls linear


def test_limit_checkpoint_recomputes_with_torchs_own(x):
    x.requires_grad_()
    ran = []

    def noticed(input, inplace=False):
        ran.append(1)
        return input.clamp(min=0)

    with cl.use({"relu": noticed}) as used:
        y = checkpoint(lambda x: torch.exp(F.relu(x)), x, use_reentrant=False)
        assert (len(ran), used.counts["relu"]) == (1, 1)
        y.sum().backward()
    assert len(ran) == 1
    model = nn.Sequential(nn.ReLU())  # there, a swap is safe
    cl.swap(model, "handmade")
    calls = []
    model[0].register_forward_pre_hook(lambda *_: calls.append(model[0].tier))
    checkpoint(model, x, use_reentrant=False).sum().backward()
    assert calls == ["handmade"] * 2


def test_limit_optimizers_and_initialization():
    weight = torch.ones(2, 2, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    weight.grad = torch.ones(2, 2)
    with cl.use("handmade") as used:
        optimizer.step()
        nn.init.ones_(weight)
        nn.init.xavier_normal_(weight)
        nn.init.trunc_normal_(weight)
    assert not used.counts


def test_limit_transforms():
    from torchvision.transforms import v2

    with cl.use("handmade") as used:
        v2.CenterCrop(2)(torch.zeros(3, 4, 4))
        v2.Normalize([0.5], [0.5])(torch.zeros(1, 4, 4))
    assert not used.counts
