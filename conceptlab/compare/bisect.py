"""``conceptlab bisect``: the first module in which an experiment's model parts on two settings of its parts."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from hydra.core.override_parser.types import Override
from torch import Tensor, nn

import conceptlab as cl
from conceptlab.configuration import Mistake, compose
from conceptlab.configuration.composing import parse
from conceptlab.core import Parts, message

if TYPE_CHECKING:  # a mistake in a setting need not wait for the checks
    from conceptlab.verify.parting import FirstDifference

SIDES = {"a": "builtin", "b": "handmade"}
"""The two settings, and what each is where nothing is said."""


class Step(nn.Module):
    """A task's model and loss: what a training step computes of a batch."""

    def __init__(self, task: Any) -> None:
        super().__init__()
        self.model, self.loss = task.model, task.loss
        self.given, self.judged = task.given, task.judged

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch."""
        batch = inputs, targets
        return self.loss(*self.judged(self.model(*self.given(batch)), batch))


def bisect_experiment(overrides: Sequence[str], dtype: str = "float64") -> "FirstDifference":
    """Compare the experiment's model and loss on its first training batch, with the weights that training starts from.

    >>> found = bisect_experiment(["experiment=digits_softmax", "a=builtin", "b=naive"])
    >>> found.agree
    True

    Args:
        overrides: what ``conceptlab train`` takes, and the settings of parts ``a`` and ``b`` in place of ``parts``.
        dtype: what both are computed in.

    Raises:
        Mistake: a setting or a part that cannot be used, or a model that does not run.
    """
    sides, rest = settings(overrides)
    step, batch = _step_and_batch(rest)
    steps = [copy.deepcopy(step) for _ in sides]
    try:
        for own, parts in zip(steps, sides.values(), strict=True):
            # as the task does it
            cl.swap(own.model, parts, functions=True)
            cl.swap(own.loss, parts, functions=True)
        return cl.first_difference(steps[0], steps[1], batch, dtype=getattr(torch, dtype))
    except (RuntimeError, TypeError, ValueError) as error:
        raise Mistake(" ".join(str(error).split())) from error


def settings(overrides: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The settings of parts ``a`` and ``b``, and all other overrides.

    >>> settings(["seed=2", "b=naive", "b.ReLU=builtin"])
    ({'a': {'default': 'builtin'}, 'b': {'default': 'naive', 'ReLU': 'builtin'}}, ['seed=2'])

    Raises:
        Mistake: a setting that cannot be used.
    """
    parsed = parse(overrides)
    for override in parsed:
        if override.key_or_group.split(".")[0] == "parts":
            received = str(override.input_line)
            remedy = "Give the parts to compare: a=builtin b=handmade."
            raise Mistake(message("bisect", expected="settings that both share", received=received, remedy=remedy))
    sides = {side: _setting(side, parsed) for side in SIDES}
    return sides, [str(o.input_line) for o in parsed if o.key_or_group.split(".")[0] not in SIDES]


def _setting(side: str, overrides: Sequence[Override]) -> dict[str, Any]:
    setting: dict[str, Any] = {"default": SIDES[side]}
    for override in overrides:
        key, _, part = override.key_or_group.partition(".")
        if key != side:
            continue
        value = None if override.is_delete() or override.is_sweep_override() else override.value()
        if part and isinstance(value, str):
            setting[part] = value
        elif not part and isinstance(value, str | dict):
            setting = {"default": value} if isinstance(value, str) else {str(k): v for k, v in value.items()}
        else:
            raise Mistake(
                message(
                    side,
                    expected="one setting of parts",
                    received=str(override.input_line),
                    remedy=f"For instance {side}=handmade, {side}.relu=naive, {side}.BatchNorm2d=mypkg:MyNorm.",
                )
            )
    try:
        Parts(setting)
    except (ValueError, TypeError, NotImplementedError) as error:
        # it was typed under this name
        raise Mistake(str(error).replace("parts", side, 1)) from error
    return setting


def _step_and_batch(overrides: Sequence[str]) -> tuple[Step, tuple[Tensor, Tensor]]:
    """The model and the loss on torch's own parts, in training mode, and the first batch."""
    cfg = compose([*overrides, "parts=builtin"])

    from conceptlab.tasks.run import build, check  # imports Lightning, for which a mistake need not wait

    check(cfg)
    task, data = build(cfg)
    data.prepare_data()
    data.setup()
    return Step(task).train(), tuple(next(iter(data.train_dataloader())))
