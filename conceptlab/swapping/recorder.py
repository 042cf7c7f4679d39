"""Which aten operations ran, in which module, in forward, backward and double backward."""

import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from conceptlab.core import registry

Phase = Literal["forward", "backward", "double backward"]
PHASES: tuple[Phase, ...] = ("forward", "backward", "double backward")

SEED = 20


class Owner(NamedTuple):
    """Where an operation ran: a module's qualified name, and the part that torch's function called there is."""

    name: str
    function: str | None = None


class Recorder:
    """Counts operations by phase and owner, while `running` a block.

    In the forward pass the owner is the module whose forward is on top, and the torch function that it called, if that
    one is a part. In a backward pass it is the owner of the autograd node at work: nodes are numbered in the order in
    which they were made, so it is enough to remember at which number each owner began.

    Args:
        names: the modules' qualified names.
    """

    def __init__(self, names: Mapping[nn.Module, str]) -> None:
        self.names = names
        self.counts: dict[Phase, dict[Owner, Counter[str]]] = {phase: {} for phase in PHASES}
        self.entered: dict[str, nn.Module] = {}
        self.phase: Phase = "forward"
        self._stack: list[Owner] = [Owner("")]
        self._began: list[int] = [0]
        self._owners: list[Owner] = [self._stack[0]]
        self._last_node = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Record what runs in this block, in this thread."""
        self._last_node = _next_node()
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            # compiled modules are entered twice: under one name, their own
            warnings.filterwarnings("ignore", message="Using `torch.compile", category=UserWarning)
            stack.callback(register_module_forward_pre_hook(self._enter).remove)
            stack.callback(register_module_forward_hook(self._leave, always_call=True).remove)
            # a compiled model is recorded as it runs uncompiled: the mode would make `fullgraph` raise
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(_Functions(self))
            stack.enter_context(_Operations(self))
            yield

    def push(self, owner: Owner) -> None:
        """``owner`` begins."""
        self._stack.append(owner)
        self._begins(owner, _next_node())

    def pop(self) -> None:
        """The owner on top ends, and the one below goes on."""
        self._stack.pop()
        self._begins(self._stack[-1], _next_node())

    def call(self, part: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        """Call a function of torch's, and record its operations as those of the part."""
        self.push(self._stack[-1]._replace(function=part))
        try:
            return function(*args, **kwargs)
        finally:
            self.pop()

    def count(self, operation: str) -> None:
        """One operation runs."""
        node = torch._C._current_autograd_node()
        owner = self._stack[-1]
        # a module on the stack during a backward pass: a checkpoint's recomputation
        if node is not None and len(self._stack) == 1:
            owner = self._owner(node._sequence_nr())
            # this operation's own node has a number already
            self._begins(owner, self._last_node)
        self.counts[self.phase].setdefault(owner, Counter())[operation] += 1
        self._last_node = _next_node()

    def _enter(self, module: nn.Module, args: Any) -> None:
        name = self.names.get(module, type(module).__name__)
        self.entered[name] = module
        self.push(Owner(name))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self.pop()

    def _begins(self, owner: Owner, node: int) -> None:
        if owner != self._owners[-1]:
            self._began.append(node)
            self._owners.append(owner)

    def _owner(self, node: int) -> Owner:
        return self._owners[bisect_right(self._began, node) - 1]


class _Functions(TorchFunctionMode):
    """Hears the functions of torch's that are parts, where no enclosing `use` answers them."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self.spellings = registry.spellings

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func not in self.spellings:
            return func(*args, **kwargs)
        return self.recorder.call(self.spellings[func][0].name, func, args, kwargs)


class _Operations(TorchDispatchMode):
    """Sees every operation below autograd."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func.namespace != "profiler":  # marks that an optimizer sets around its step
            self.recorder.count(plain_name(func._schema.name))
        return func(*args, **(kwargs or {}))


def plain_name(name: str) -> str:
    """An operation's name, without ``aten::`` and without the underscore of its in-place twin.

    Where torch finds out a shape by a reference in Python, ``prims::add`` stands for ``aten::add``.

    >>> plain_name("aten::add_"), plain_name("torchvision::nms")
    ('add', 'torchvision::nms')
    """
    return name.removeprefix("aten::").removeprefix("prims::").removesuffix("_")


def run_and_record(
    function: Callable, args: tuple, kwargs: Mapping[str, Any], names: Mapping[nn.Module, str], *, twice: bool
) -> Recorder:
    """Run ``function`` forward, backward with a random upstream gradient and, if ``twice``, backward again."""
    recorder = Recorder(names)
    leaves: list[Tensor] = [p for module in names for p in module.parameters(recurse=False) if p.requires_grad]

    def copy(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        leaf = value.detach().clone()
        if not leaf.is_floating_point() and not leaf.is_complex():
            return leaf
        leaves.append(leaf.requires_grad_())
        return leaf.clone()  # one step from the leaf, so that an in-place function may write to it

    args, kwargs = tree_map(copy, (tuple(args), dict(kwargs)))
    generator = torch.Generator().manual_seed(SEED)

    def random_like(tensors: list[Tensor]) -> list[Tensor]:
        # not randn_like, which could be scattered as they are; and never ones, which give zero for every norm
        return [torch.randn(t.shape, generator=generator).to(t).requires_grad_(twice) for t in tensors]

    with torch.enable_grad():
        with recorder.running():
            results = function(*args, **kwargs)
        outputs = _differentiable(results)
        if not outputs or not leaves:
            return recorder
        upstream = random_like(outputs)
        recorder.phase = "backward"
        with recorder.running():
            first = torch.autograd.grad(outputs, leaves, upstream, create_graph=twice, allow_unused=True)
        slopes = _differentiable(first)
        if twice and slopes:
            upstream_again = random_like(slopes)
            recorder.phase = "double backward"
            with recorder.running():
                torch.autograd.grad(slopes, [*leaves, *upstream], upstream_again, allow_unused=True)
    return recorder


def _differentiable(results: Any) -> list[Tensor]:
    return [t for t in tree_leaves(results) if isinstance(t, Tensor) and t.requires_grad]


def _next_node() -> int:
    return torch._C._autograd._get_sequence_nr()
