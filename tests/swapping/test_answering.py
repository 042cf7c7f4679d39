"""`swap(model, …, functions=True)`."""

import copy
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import conceptlab as cl


def marked(input, inplace=False):
    return F.relu(input) + 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x, fail=False):
        if fail:
            raise KeyError("on purpose")
        return F.relu(self.layer(x))


@pytest.fixture
def x():
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def test_functions_of_forward_are_answered(x):
    net = Net()
    expected = net(x) + 1
    report = cl.swap(net, {"relu": marked}, functions=True)
    assert torch.equal(net(x), expected)
    assert isinstance(net, Net)
    assert type(net).__name__ == "Net"
    assert list(net.state_dict()) == ["layer.weight", "layer.bias"]
    assert "functions" in str(report)
    assert torch.equal(F.relu(x), x.relu())  # outside of it nothing has changed
    report.undo()
    assert type(net) is Net
    assert vars(net).keys() == vars(Net()).keys()
    torch.testing.assert_close(net(x), expected - 1)


def test_forward_that_raises_ends_the_block(x):
    net = Net()
    cl.swap(net, {"relu": marked}, functions=True)
    with pytest.raises(KeyError):
        net(x, fail=True)
    assert torch.equal(F.relu(x), x.clamp(min=0))


def test_a_second_swap_wins_where_it_speaks(x):
    net = Net()
    expected = net(x)
    first = cl.swap(net, {"relu": marked}, functions=True)
    second = cl.swap(net, {"Linear": "handmade"}, functions=True)
    assert torch.allclose(net(x), expected + 1)
    third = cl.swap(net, {"relu": "builtin"}, functions=True)
    assert torch.allclose(net(x), expected)
    for report in (third, second, first):
        report.undo()
    assert type(net) is Net
    assert torch.equal(net(x), expected)


def test_nothing_to_answer_leaves_the_class_alone(x):
    net = Net()
    assert cl.swap(net, {"default": "builtin", "Linear": "handmade"}, functions=True).unchanged == 1
    assert type(net) is Net
    cl.swap(net, "handmade", functions=True)
    back = cl.swap(net, "builtin", functions=True)
    assert type(net) is Net
    assert type(net.layer) is nn.Linear
    back.undo()
    assert type(net) is not Net
    assert net.layer.tier == "handmade"
    net(x)
    assert net._conceptlab_use.counts["relu"] == 1


def test_undo_in_another_order(x):
    net = nn.Linear(4, 3)
    first = cl.swap(net, {"relu": marked}, functions=True)
    second = cl.swap(net, "handmade")
    first.undo()
    assert net.tier == "handmade"
    second.undo()
    assert type(net) is nn.Linear


def test_root_that_is_a_part(x):
    layer = nn.ReLU()
    cl.swap(layer, {"relu": marked, "ReLU": "builtin"}, functions=True)
    assert torch.equal(layer(x), F.relu(x) + 1)
    cl.swap(layer, {"ReLU": "handmade"})
    assert torch.equal(layer(x), F.relu(x))  # by hand, its forward calls no F.relu
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert copied.tier == "handmade"


def test_in_another_thread(x):
    net = Net()
    expected = net(x) + 1
    cl.swap(net, {"relu": marked}, functions=True)
    with ThreadPoolExecutor(1) as pool:
        assert torch.equal(pool.submit(net, x).result(), expected)


def test_hooks_and_copies_of_copies(x):
    net = Net()
    cl.swap(net, {"default": "handmade", "relu": marked}, functions=True)
    copied = copy.deepcopy(copy.deepcopy(net))
    assert torch.equal(copied(x), net(x))
    assert type(copied) is type(net)
    assert inspect.unwrap(type(net).forward) is not Net.forward


def test_replaced_forward_is_reported(x):
    net = Net()
    net.forward = lambda x: x
    report = cl.swap(net, "handmade", functions=True)
    assert [s.part for s in report.skipped] == ["functions"]
    with pytest.raises(ValueError, match="replaced on the object"):
        cl.swap(net, "naive", functions=True, strict=True)


def test_keys_of_functions_count_as_met():
    cl.swap(Net(), {"linear": "handmade", "relu": marked}, functions=True, strict=True)
    with pytest.raises(ValueError, match=r"parts\.relu"):
        cl.swap(Net(), {"linear": "handmade", "relu": marked}, strict=True)


def test_not_for_optimizers():
    optimizer = torch.optim.SGD(Net().parameters(), lr=0.1)
    with pytest.raises(TypeError, match="functions= with a model"):
        cl.swap(optimizer, "handmade", functions=True)


def test_what_a_part_is_made_of_is_not_answered(x, monkeypatch):
    """A handmade layer inside a model with answered functions: its own tier computes all of it."""
    from conceptlab.core import namespace
    from conceptlab.core.autocast import outside_autocast

    monkeypatch.setattr(namespace("nn", "handmade"), "relu", outside_autocast(lambda x, inplace: torch.relu(x), None))
    net = nn.Sequential(nn.ReLU())
    cl.swap(net, {"ReLU": "handmade", "relu": marked}, functions=True)
    assert torch.equal(net(x), x.clamp(min=0))
