"""A call as it is typed in a Python prompt, on the target and on torch's own, and the comparison of the two."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify.calls import reseed, step_away
from conceptlab.verify.target import Target
from conceptlab.verify.written import as_code, called, constructor, imports, special_numbers, tensors_of, written

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
        reseed()
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
    imported += [f"import {home}"] if home.split(".")[0] != "torch" else []
    lines = ["import torch", *imported, *special_numbers(*made, *body), *imports(target), ""]
    lines += ["torch.manual_seed(0)"] if any("torch.rand" in line for line in made) else []
    lines += [*made, "", "", "def call(f):", *(f"    {line}" for line in body), "", ""]
    lines += [f"expected = call({'F' if is_functional else home}.{name})", f"received = call({called(target)})"]
    return "\n".join([*lines, 'print("expected", expected)', 'print("received", received)', comparison])
