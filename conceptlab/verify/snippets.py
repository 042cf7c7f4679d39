"""A sample as code: imports, tensors, the call on the target and on torch's own, and their comparison.

What is shown has been run before: only code that fails is a reproduction.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import SEED, step_away
from conceptlab.verify.causes.trajectories import STIFFNESS
from conceptlab.verify.tally import Failure
from conceptlab.verify.target import Target
from conceptlab.verify.written import (
    as_code,
    called,
    constructor,
    imports,
    is_importable,
    name_of,
    special_numbers,
    subject,
    tensors_of,
    written,
)

OPTIMIZER = (
    "optimizer = f([w], {settings})",
    "for _ in range(4):",
    "    optimizer.zero_grad()",
    "    (stiffness * w.square()).sum().div(2).backward()",
    "    optimizer.step()",
    "return w.detach()",
)
"""Four steps down a quadratic."""

SMALL = 12
"""A tensor of as many numbers is written out; of a larger one a random tensor of its shape does as well, mostly."""

WRITABLE = 400
"""A tensor of as many numbers is written out if no random one does."""

CLOSE = "torch.testing.assert_close(received, expected, rtol=1e-9, atol=1e-9, equal_nan=True)"
EQUAL = "assert received == expected"
GRADIENT = "torch.autograd.grad(y, {leaves}, upstream, materialize_grads=True)"
SECOND = (
    "first = torch.autograd.grad(y, {leaves}, upstream, create_graph=True, materialize_grads=True)",
    "product = sum((g * torch.cos(torch.arange(g.numel()).view(g.shape))).sum() for g in first)",
    "return torch.autograd.grad(product, [*{leaves}, upstream], materialize_grads=True)",
)
BACKWARD = ("y.backward(upstream)", "{call}.backward(upstream)", "return [p.grad for p in layer.parameters()]")

QUESTIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "value": (("return y",), CLOSE),
    "strides": (("return y.stride()",), EQUAL),
    "arguments": (("return arguments",), CLOSE),
    "gradient": ((f"return {GRADIENT}",), CLOSE),
    "second": (SECOND, CLOSE),
    "accumulated": (BACKWARD, CLOSE),
    "buffers": (("return dict(layer.named_buffers())",), CLOSE),
    "graph": (("return [b.requires_grad for b in layer.buffers()]",), EQUAL),
    "state": (("return list(layer.state_dict())",), EQUAL),
}
"""What a call is asked for: the lines that follow it, and the comparison."""

ASKED: Mapping[str, tuple[str, ...]] = {
    "values": ("value", "strides", "arguments"),
    "first_derivatives": ("gradient",),
    "second_derivatives": ("second",),
    "gradgradcheck": ("gradient", "second"),
    "shifted_and_scaled": ("value", "gradient"),
    "layouts": ("value", "gradient", "strides"),
    "constructed": ("state", "buffers"),
    "behaviour": ("value", "gradient", "state", "graph", "buffers"),
    "channels_last_behaviour": ("value", "gradient", "state", "graph", "buffers", "strides"),
    "modes": ("value", "buffers"),
    "accumulated": ("accumulated",),
}
"""What each check asks for that can be asked in plain torch; every other check is run on the sample itself."""

CHANGES = ("", "* 100", "+ 10", "+ 100")
MODES = ("", ".eval()")


def shown(target: Target, check: str, failures: Sequence[Failure]) -> tuple[str, str]:
    """The first code that fails, and what it prints: in plain torch, or by the check itself."""
    for attempts in (_in_plain_torch, _by_check):
        for failure in failures:
            for code in attempts(target, check, failure.sample):
                output, error = executed(target, code)
                if isinstance(error, (AssertionError, type(failure.error))):
                    return code, output or f"{type(error).__name__}: {error}"
    return whole_check(target, check), ""


def whole_check(target: Target, check: str) -> str:
    """Code that runs a whole check."""
    lines = ["from conceptlab.verify import verify", *imports(target), ""]
    return "\n".join([*lines, f'print(verify({subject(target)}, like="{target.part.name}", only=["{check}"]))'])


def executed(target: Target, code: str) -> tuple[str, BaseException | None]:
    """What the code prints, and what it raises once torch's own result is there."""
    printed = io.StringIO()
    known = {} if target.tier or is_importable(target) else {name_of(target): target.implementation}
    state = torch.get_rng_state()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "<reproduction>", "exec"), known)
    except AssertionError as error:
        return printed.getvalue(), error
    except Exception as error:
        return printed.getvalue(), error if "expected" in known else None
    finally:
        torch.set_rng_state(state)
    return printed.getvalue(), None


def _limits(sample: Sample) -> list[int]:
    sizes = [t.numel() for t in tree_flatten((sample.args, dict(sample.kwargs)))[0] if isinstance(t, Tensor)]
    return [SMALL] if max(sizes, default=0) <= SMALL else [SMALL, WRITABLE]


def _in_plain_torch(target: Target, check: str, sample: Sample) -> Iterator[str]:
    if target.kind == "optimizer":
        yield _descent(target, sample)
        return
    for limit in _limits(sample):
        prompt = Prompt(target, sample, limit)
        if check in ("error_inputs", "refused"):
            yield prompt.refusal()
        for question in ASKED.get(check, ()):
            for change in CHANGES if check.startswith("shifted") else CHANGES[:1]:
                for mode in MODES if target.part.is_class else MODES[:1]:
                    yield prompt.question(question, change, mode, no_grad=check == "modes")


def _by_check(target: Target, check: str, sample: Sample) -> Iterator[str]:
    """The check, run on the sample."""
    named = {id(value): name for name, value in tensors_of(target, sample)}
    parts = [written(part, named) for part in (sample.args, dict(sample.kwargs), sample.init_args)]
    parts.append(written(dict(sample.init_kwargs), named))
    for limit in _limits(sample):
        made = [f"{name} = {code}" for name, code in Prompt(target, sample, limit).tensors.items()]
        ours = ["from conceptlab.core.samples import Sample", "from conceptlab.verify.reproduction import rerun"]
        lines = ["import torch", *special_numbers(*made, *parts), *ours, *imports(target), ""]
        lines += ["torch.manual_seed(0)", *made, f'sample = Sample("smallest", {", ".join(parts)})']
        lines.append(f'rerun("{check}", {subject(target)}, like="{target.part.name}", sample=sample)')
        yield "\n".join(lines)


def _descent(target: Target, sample: Sample) -> str:
    settings = constructor(sample)
    made = [f"stiffness = torch.tensor({STIFFNESS.tolist()}, dtype=torch.float64)"]
    body = [f"w = torch.linspace(1, 2, {len(STIFFNESS)}, dtype=torch.float64).requires_grad_()"]
    return assembled(target, made, [*body, *(line.format(settings=settings) for line in OPTIMIZER)], CLOSE)


@dataclass(frozen=True)
class Prompt:
    """A call, as it is typed in a Python prompt.

    Attributes:
        target: what is called.
        sample: with what.
        limit: of how many numbers a tensor is written out.
    """

    target: Target
    sample: Sample
    limit: int

    @cached_property
    def tensors(self) -> dict[str, str]:
        """The code of each tensor, by name."""
        return {name: as_code(value, self.limit) for name, value in tensors_of(self.target, self.sample)}

    def call(self, replaced: Mapping[str, str]) -> str:
        """The arguments of the call, some names in them replaced."""
        named = {id(value): replaced.get(name, name) for name, value in tensors_of(self.target, self.sample)}
        args = [written(value, named) for value in self.sample.args]
        return ", ".join([*args, *(f"{key}={written(value, named)}" for key, value in self.sample.kwargs.items())])

    def question(self, question: str, change: str, mode: str, *, no_grad: bool) -> str:
        """The call, a question about its result, and the comparison of the answers."""
        tensors, is_layer, (lines, comparison) = dict(self.tensors), self.target.part.is_class, QUESTIONS[question]
        if change and tensors:
            first = next(iter(tensors))
            tensors[first] = f"({tensors[first]} {change}).requires_grad_()".replace(", requires_grad=True", "")
        leaves = [name for name, code in tensors.items() if "requires_grad" in code]
        asks_gradient = question in ("gradient", "second", "accumulated")
        # a function may write to its arguments, or refuse to write to a leaf: each call has copies of its own
        in_place = "inplace" in self.sample.kwargs or any(a is True for a in self.sample.args)
        replaced = {name: f"{name}.clone()" for name in tensors} if in_place or not asks_gradient else {}
        if question == "arguments":
            replaced = {name: f"arguments[{i}]" for i, name in enumerate(tensors)}
        body = ["torch.manual_seed(20)"]
        body += [f"layer = f({constructor(self.sample)}).double(){mode}"] if is_layer else []
        if question == "state":
            return assembled(self.target, [], [*body, *lines], comparison)
        body += [f"arguments = [{', '.join(f'{name}.clone()' for name in tensors)}]"] if question == "arguments" else []
        outputs = self.torchs_outputs(mode)
        call = f"{'layer' if is_layer else 'f'}({self.call(replaced)}){'[0]' if asks_gradient and outputs[1:] else ''}"
        body += ["with torch.no_grad():", f"    y = {call}"] if no_grad else [f"y = {call}"]
        all_leaves = ", ".join([*leaves, *(["*layer.parameters()"] if is_layer else [])])
        body += [line.format(leaves=f"[{all_leaves}]", call=call) for line in lines]
        made = [f"{name} = {code}" for name, code in tensors.items()]
        if asks_gradient:
            shape = tuple(outputs[0].shape) if outputs else ()
            recorded = ", requires_grad=True" if question == "second" else ""
            made.append(f"upstream = torch.randn({shape}, dtype=torch.float64{recorded})")
        return assembled(self.target, made, body, comparison)

    def refusal(self) -> str:
        """The call, and whether it is refused."""
        call = f"f({constructor(self.sample)})({self.call({})})" if self.target.part.is_class else f"f({self.call({})})"
        body = ["try:", f"    {call}", "except Exception as error:", "    return type(error).__name__"]
        made = [f"{name} = {code}" for name, code in self.tensors.items()]
        return assembled(self.target, made, [*body, 'return "accepted"'], EQUAL)

    def torchs_outputs(self, mode: str) -> list[Any]:
        """torch's own results; none where it refuses."""
        torch.manual_seed(SEED)
        args, kwargs = tree_map(step_away, (self.sample.args, dict(self.sample.kwargs)))
        is_layer = self.target.part.is_class
        try:
            f = self.target.built(self.sample, of_torch=True).train(not mode) if is_layer else self.target.builtin
            output = f(*args, **kwargs)
        except Exception:
            return []
        return [t for t in tree_flatten(output)[0] if isinstance(t, Tensor)]


def assembled(target: Target, made: list[str], body: list[str], comparison: str) -> str:
    """The whole code: imports, tensors, the call, both results, and their comparison."""
    home, name = target.part.home, target.part.name
    is_functional = home == "torch.nn.functional"
    imported = ["import torch.nn.functional as F"] if is_functional else []
    imported += [f"import {home}"] if home.startswith("torchvision") else []
    lines = ["import torch", *imported, *special_numbers(*made, *body), *imports(target), ""]
    lines += ["torch.manual_seed(0)"] if any("torch.rand" in line for line in made) else []
    lines += [*made, "", "", "def call(f):", *(f"    {line}" for line in body), "", ""]
    lines += [f"expected = call({'F' if is_functional else home}.{name})", f"received = call({called(target)})"]
    return "\n".join([*lines, 'print("expected", expected)', 'print("received", received)', comparison])
