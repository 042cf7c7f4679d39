"""`SwapParts` in other people's Trainer."""

import subprocess
import sys

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.plugins.precision import Precision
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import conceptlab as cl
import conceptlab.swapping

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:.*does not have many workers",
        "ignore:.*isinstance.treespec",
        "ignore:You defined a `validation_step` but",
        "ignore:.*number of training batches",
    ),
]

marks = []


def noticed(input, target, **kwargs):
    marks.append("loss")
    return (input - target).square().mean()


class NoticedLinear(nn.Linear):
    def forward(self, input):
        marks.append("linear")
        return super().forward(input)


class NoticedSGD(torch.optim.SGD):
    def step(self, closure=None):
        marks.append("step")
        return super().step(closure)


class Task(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU())

    def configure_model(self):
        if len(self.net) == 2:
            self.net.append(nn.Linear(8, 1))  # made after the callback's setup

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.relu(self(x) - y).mean() + F.mse_loss(self(x), y)

    def validation_step(self, batch, batch_idx):
        assert all(getattr(self.net[i], "tier", "") == "handmade" for i in (0, 2))
        return self(batch[0]).mean()

    test_step = predict_step = validation_step

    def configure_optimizers(self):
        self.tier_by_then = getattr(self.net[0], "tier", "builtin")
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


def data():
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=4)


def trainer(folder, *callbacks, **arguments):
    return L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        callbacks=list(callbacks),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        **arguments,
    )


def fitted(folder, *callbacks, **arguments):
    L.seed_everything(0, verbose=False)
    task = Task()
    trainer(folder, *callbacks, **arguments).fit(task, data())
    return task


def test_fit(tmp_path):
    expected = [p.detach() for p in fitted(tmp_path).parameters()]
    callback = cl.lightning.SwapParts("handmade", functions=True)
    task = fitted(tmp_path, callback)
    assert task.tier_by_then == task.net[2].tier == "handmade"
    torch.testing.assert_close([p.detach() for p in task.parameters()], expected, rtol=1e-4, atol=1e-6)
    text = "\n".join(str(report) for report in callback.reports)
    assert "Linear builtin -> handmade" in text
    assert "SGD builtin -> handmade" in text
    assert "StepLR builtin -> handmade" in text
    callback.undo()
    assert type(task) is Task
    assert type(task.net[0]) is type(task.net[2]) is nn.Linear


def test_what_ran(tmp_path):
    setting = {"Linear": NoticedLinear, "mse_loss": noticed, "SGD": NoticedSGD}
    marks.clear()
    fitted(tmp_path, cl.lightning.SwapParts(setting, functions=True), limit_train_batches=1)
    assert marks.count("linear") == 2 * 2 * 2  # epochs, calls a step, layers
    assert marks.count("loss") == 2
    assert marks.count("step") == 2


def test_resuming_from_a_checkpoint(tmp_path):
    callback = cl.lightning.SwapParts("handmade")
    first = trainer(tmp_path, callback)
    first.fit(Task(), data())
    first.save_checkpoint(tmp_path / "last.ckpt")
    plain = Task()
    plain.configure_model()
    plain.load_state_dict(torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"])
    again = Task()
    trainer(tmp_path, cl.lightning.SwapParts("naive")).fit(
        again, data(), ckpt_path=tmp_path / "last.ckpt", weights_only=True
    )
    assert again.net[0].tier == "naive"
    assert torch.equal(again.net[0].weight, plain.net[0].weight)  # both epochs had been done


@pytest.mark.parametrize("run", ["validate", "test", "predict"])
def test_other_runs(tmp_path, run):
    task = Task()
    callback = cl.lightning.SwapParts("handmade", functions=True)
    getattr(trainer(tmp_path, callback), run)(task, data())
    assert task.net[0].tier == "handmade"
    getattr(trainer(tmp_path, callback), run)(task, data())
    assert len(callback.reports) == 3  # modules; functions; what configure_model has made


def test_only_and_no_optimizers(tmp_path):
    callback = cl.lightning.SwapParts({"default": "handmade"}, only="net.0", optimizers=False)
    task = fitted(tmp_path, callback)
    assert task.net[0].tier == "handmade"
    assert type(task.net[2]) is nn.Linear
    assert [s.name for report in callback.reports for s in report.swapped] == ["net.0"]


def leave_nothing(parameters, limit):
    marks.append(limit)
    for parameter in parameters:
        parameter.grad.zero_()


class OwnHook(Task):
    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)


@pytest.mark.parametrize(("way", "part"), [("norm", "clip_grad_norm_"), ("value", "clip_grad_value_")])
@pytest.mark.parametrize("kind", [Task, OwnHook])
def test_the_trainer_clips_with_the_part(tmp_path, kind, way, part):
    marks.clear()
    task, callback = kind(), cl.lightning.SwapParts({part: leave_nothing})
    task.configure_model()
    first = [p.detach().clone() for p in task.parameters()]
    its = trainer(tmp_path, callback, gradient_clip_val=0.5, gradient_clip_algorithm=way)
    its.fit(task, data())
    assert set(marks) == {0.5}
    assert all(torch.equal(p, old) for p, old in zip(task.parameters(), first, strict=True))
    assert [s.part for report in callback.reports for s in report.swapped] == [part]
    assert not vars(its.precision_plugin)  # as it was


def test_clipping_by_hand_is_torchs(tmp_path):
    expected = [p.detach() for p in fitted(tmp_path, gradient_clip_val=0.01).parameters()]
    free = [p.detach() for p in fitted(tmp_path).parameters()]
    callback = cl.lightning.SwapParts({"clipping": "handmade"})
    found = [p.detach() for p in fitted(tmp_path, callback, gradient_clip_val=0.01).parameters()]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(found[0], free[0], rtol=1e-2)


def test_a_plugin_that_clips_in_a_way_of_its_own_keeps_it(tmp_path):
    class Own(Precision):
        def clip_grad_by_norm(self, optimizer, clip_val):
            marks.append("own")

    marks.clear()
    callback = cl.lightning.SwapParts(
        {"clip_grad_norm_": leave_nothing, "clip_grad_value_": "builtin", "Linear": "handmade"}
    )
    fitted(tmp_path, callback, gradient_clip_val=1.0, plugins=[Own()])
    assert set(marks) == {"own"}
    assert "Own clips in a way of its own: trainer" in "\n".join(str(report) for report in callback.reports)


def test_synchronized_batch_norm_is_refused(tmp_path):
    with pytest.raises(ValueError, match="sync_batchnorm=True, which would replace"):
        trainer(tmp_path, cl.lightning.SwapParts("handmade"), sync_batchnorm=True).fit(Task(), data())


def test_swap_alone_does_not_import_lightning():
    code = "import sys, conceptlab.swapping; assert 'lightning' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert conceptlab.swapping.SwapParts is cl.lightning.SwapParts
