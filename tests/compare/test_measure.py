"""Single steps against float64, and where time and memory go: on a small network, with mistakes made on purpose."""

import pytest
import torch
from torch import nn

from conceptlab.compare.differences import judge_errors, ratios
from conceptlab.compare.errors import batches_apart, errors
from conceptlab.compare.measure import step_times
from conceptlab.compare.stopwatch import REST, Stopwatch, concept_of, layers
from conceptlab.compare.subject import Subject

EPS = 2.0**-23


class Task(nn.Module):
    """A network as a task holds it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        # the bias before the normalization has the gradient 0: pure rounding, which Adam blows up
        self.model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(), nn.Linear(144, 3)
        )
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.model(x)

    @staticmethod
    def given(batch):
        return (batch[0],)

    def step(self, batch):
        logits = self(batch[0])
        return self.loss(logits, batch[1]), {}


def subject(change=None, dtype=torch.float32, optimizer=torch.optim.Adam, **settings):
    """A subject without a run; ``change`` is made to its task."""
    made = Subject.__new__(Subject)
    made.task = Task().to(dtype)
    if change:
        change(made.task)
    made.optimizer = optimizer(made.task.parameters(), **settings)
    made.device, made.dtype, made.mixed, made.eps = torch.device("cpu"), dtype, None, EPS
    generator = torch.Generator().manual_seed(1)
    made.batches = [
        [torch.randn(16, 1, 8, 8, generator=generator).to(dtype), torch.randint(0, 3, (16,), generator=generator)]
        for _ in range(3)
    ]
    made.loading = [1.0]
    return made


def doubts_about(wrong, reference=None, oracle=None):
    theirs, ours = errors([reference or subject(), wrong], oracle or subject(dtype=torch.float64))
    assert set(theirs) == {"gradient", "evaluation", "update"}
    return judge_errors(ratios(ours, theirs, EPS), 0.0, EPS)


class OtherOrder(nn.Linear):
    """The same products, added in another order."""

    def forward(self, x):
        return x.flip(1) @ self.weight.flip(1).t() + self.bias


class BiasedVariance(nn.BatchNorm2d):
    """Keeps the variance divided by N, where torch divides by N - 1: seen in evaluation only."""

    def forward(self, x):
        if self.training:
            n = x.numel() / x.shape[1]
            var, mean = torch.var_mean(x.detach(), (0, 2, 3))
            kept = 0.9 * self.running_mean + 0.1 * mean, 0.9 * self.running_var + 0.1 * var * (n - 1) / n
            out = nn.functional.batch_norm(x, None, None, self.weight, self.bias, training=True)
            self.running_mean.copy_(kept[0])
            self.running_var.copy_(kept[1])
            return out
        return super().forward(x)


class LostDecay(torch.optim.AdamW):
    """Forgets the decay of the weights."""

    def step(self, closure=None):
        kept = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            group["weight_decay"] = 0.0
        super().step(closure)
        for group, decay in zip(self.param_groups, kept, strict=True):
            group["weight_decay"] = decay


def of_class(name, cls):
    def change(task):
        task.get_submodule(name).__class__ = cls

    return change


def test_another_order_of_addition_is_as_exact():
    assert doubts_about(subject(of_class("model.5", OtherOrder))) == []


@pytest.mark.parametrize(
    ("change", "quantity"),
    [
        (of_class("model.1", BiasedVariance), "evaluation"),
        (lambda task: setattr(task.model[1], "eps", 1.1e-5), "gradient"),
        (lambda task: setattr(task.loss, "label_smoothing", 1e-4), "gradient"),
        (lambda task: setattr(task.model[4], "p", 0.49), "gradient"),
        (lambda task: task.model[5].bias.register_hook(lambda g: g * (1 + 1e-4)), "gradient"),
    ],
)
def test_mistakes_in_layers_are_seen(change, quantity):
    doubts = doubts_about(subject(change))
    assert any(quantity in doubt for doubt in doubts), doubts


def test_a_mistake_in_the_optimizer_is_seen():
    def made(cls, dtype=torch.float32):
        return subject(dtype=dtype, optimizer=cls, weight_decay=1e-2)

    right, oracle = made(torch.optim.AdamW), made(torch.optim.AdamW, torch.float64)
    assert doubts_about(made(torch.optim.AdamW), right, oracle) == []
    right = made(torch.optim.AdamW)
    assert "move of the weights" in " ".join(doubts_about(made(LostDecay), right, oracle))


def test_tokens_are_no_numbers_to_be_rounded():
    made = subject(dtype=torch.float64)
    tokens, values = made._moved((torch.tensor([[1, 2]]), torch.randn(1, 2)))
    assert (tokens.dtype, values.dtype) == (torch.int64, torch.float64)


def test_batches_are_compared():
    assert batches_apart(subject(), subject()) == 0
    other = subject()
    other.batches[1][0][0] += 1e-3
    assert batches_apart(other, subject()) > 64 * EPS


def test_stopwatch_knows_every_layer_and_leaves_the_model_as_it_was():
    measured = subject()
    task = measured.task
    watch = Stopwatch(task, torch.device("cpu"))
    with watch.running():
        for index in range(4):
            watch.step(lambda i=index: measured.forward(i), measured.update)
    table = {row["name"]: row for row in watch.table()}
    assert {concept_of(layer) for layer in layers(task)} | {"optimizer", REST} == set(table)
    assert table["convolution" if "convolution" in table else "Conv2d"]["backward_ms"] > 0
    assert table["relu"]["calls"] == 1
    assert table["optimizer"]["forward_ms"] > 0
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in task.modules())


def test_stopwatch_sees_where_time_is_spent():
    class Slow(nn.Linear):
        def forward(self, x):
            for _ in range(200):
                super().forward(x)
            return super().forward(x)

    measured = subject(of_class("model.5", Slow))
    watch = Stopwatch(measured.task, torch.device("cpu"))
    with watch.running():
        for index in range(3):
            watch.step(lambda i=index: measured.forward(i), measured.update)
    assert max(watch.table(), key=lambda row: row["forward_ms"])["name"] == "linear"


def test_step_times_take_turns(monkeypatch):
    turns = []
    pair = [subject(), subject()]
    for name, one in zip("AB", pair, strict=True):
        monkeypatch.setattr(one, "step", lambda index, name=name: turns.append(f"{name}{index}"))
    times = step_times(pair)
    assert turns[:8] == ["A0", "B0", "A1", "B1", "A2", "B2", "A3", "B3"]
    assert all(time["interleaved"] and time["low"] <= time["median"] <= time["high"] for time in times)
