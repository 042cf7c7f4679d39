"""A sample as code: imports, tensors, the call on the target and on torch's own, and their comparison.

What is shown has been run before: only code that fails is a reproduction.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from conceptlab.core.samples import Sample
from conceptlab.verify.causes.trajectories import STIFFNESS
from conceptlab.verify.prompt import CLOSE, Prompt, assembled
from conceptlab.verify.tally import Failure
from conceptlab.verify.target import Target
from conceptlab.verify.written import (
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
