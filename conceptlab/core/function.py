"""How a derivative made by hand is written: once, as a `Rule`, and it serves every transform that torch has."""

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch._C._functorch import TransformType, get_interpreter_stack, maybe_current_level
from torch.autograd import forward_ad


def _not_written_in_place(forward: Callable) -> Callable:
    """``forward``, whose outputs are views of what it computed.

    Of an output that was last written in place, torch 2.11's compiler loses the gradient: it is zero, without a word.
    2.14's does not, and there ``forward`` stays as it is.
    """
    if torch.__version__ >= "2.14":
        return forward

    def call(*inputs: Any) -> Any:
        output = forward(*inputs)
        if isinstance(output, torch.Tensor):
            return output.view_as(output)
        return tuple(each.view_as(each) if isinstance(each, torch.Tensor) else each for each in output)

    return call


def _sibling(cls: "type[Rule]", name: str, **methods: Callable) -> Any:
    """The same rule with some of its methods in another form."""
    return type(name, (cls,), {"is_sibling": True, **{key: staticmethod(method) for key, method in methods.items()}})


def _with_context(cls: "type[Rule]") -> Callable:
    """``forward`` and ``setup_context`` in one."""

    def forward(ctx: Any, *inputs: Any) -> Any:
        output = cls.forward(*inputs)
        cls.setup_context(ctx, inputs, output)
        return output

    return forward


class Rule(torch.autograd.Function):
    r"""A function with a derivative made by hand.

    A subclass defines, as static methods,

    - ``forward(*inputs)``: the value;
    - ``setup_context(ctx, inputs, output)``: what the derivatives need, kept with `save`;
    - ``backward(ctx, *grad_outputs)``: the vector-Jacobian product, one gradient (or None) for each input;
    - ``jvp(ctx, *tangents)``: the Jacobian-vector product, where torch has forward mode.

    and is called as ``_Square.call(x)``. The inputs are tensors and flat scalars, all positional.

    Four habits make the difference between a rule that passes one check and one that survives them all:

    - Save inputs and outputs only. An intermediate result that the backward pass needs (a mean, a mask) is an *extra
      output*, which the public function drops; it is differentiable, and ``backward`` adds its incoming gradient.
      An intermediate that is merely saved passes ``gradcheck`` and silently fails ``gradgradcheck``.
    - ``backward`` is made of differentiable operations, so that it can be differentiated again.
    - ``forward`` returns no view of its inputs.
    - The context is touched only through `save`, ``ctx.saved_tensors``, ``ctx.needs_input_grad`` and plain attributes,
      so that another engine can drive the same rule.

    >>> class Square(Rule):
    ...     @staticmethod
    ...     def forward(x):
    ...         return x * x
    ...     @staticmethod
    ...     def setup_context(ctx, inputs, output):
    ...         save(ctx, *inputs)
    ...     @staticmethod
    ...     def backward(ctx, grad_output):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * grad_output
    ...     @staticmethod
    ...     def jvp(ctx, x_tangent):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * x_tangent
    >>> torch.func.grad(Square.call)(torch.tensor(3.0))
    tensor(6.)
    """

    generate_vmap_rule = True
    call: ClassVar[Callable[..., Any]]
    """``call(*inputs)`` applies the rule."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "is_sibling" in cls.__dict__:
            return
        if "jvp" in cls.__dict__:
            jvp = _under_nested_forward_mode(cls.__dict__["jvp"].__func__)
            cls.jvp = staticmethod(jvp)  # type: ignore[method-assign]

        # torch.compile refuses a Function with a jvp, and without one there is no forward mode. So each rule has a twin
        # without it. It is made anew for each subclass: an inherited twin would run its parent's rule, silently.
        forward = _not_written_in_place(cls.forward)
        twin = _sibling(cls, f"{cls.__name__}WithoutJvp", forward=forward, jvp=torch.autograd.Function.jvp)
        # And where no transform looks on, the context is an argument: else torch asks at every call for the signature
        # of `forward` and binds the arguments to it, which takes 10 µs for one and 45 for seven, as much as a layer.
        eager = _sibling(
            cls, cls.__name__, forward=_with_context(cls), setup_context=torch.autograd.Function.setup_context
        )

        # A static method over a closure, because Dynamo resolves neither class attributes nor `cls` of a Function.
        def call(*inputs: Any) -> Any:
            if not torch.compiler.is_compiling():
                return (cls if maybe_current_level() is not None else eager).apply(*inputs)
            # where nothing is differentiated Dynamo runs `forward` itself, before torch 2.15 with a context too many
            return twin.apply(*_each_apart(inputs)) if _is_differentiated(inputs) else forward(*inputs)

        cls.call = staticmethod(call)


class ElementwiseRule(Rule):
    """The rule of a function that acts on each element by itself, y = f(x).

    Its Jacobian is diagonal, so that ``backward`` and ``jvp`` are one and the same product v · f′(x). A subclass
    defines, as static methods,

    - ``forward(x, *scalars)``: f(x);
    - ``times_slope(v, x, *scalars)``: v · f′(x).

    With ``saves = "output"`` the second receives y = f(x) in the place of x: right where f′ can be told from y, and
    then x may be overwritten by y afterwards.

    >>> class Exp(ElementwiseRule):
    ...     saves = "output"
    ...     @staticmethod
    ...     def forward(x):
    ...         return torch.exp(x)
    ...     @staticmethod
    ...     def times_slope(v, y):
    ...         return v * y
    >>> torch.func.grad(Exp.call)(torch.tensor(0.0))
    tensor(1.)
    """

    saves: ClassVar[Literal["input", "output"]] = "input"
    times_slope: ClassVar[Callable[..., torch.Tensor]]

    def __init_subclass__(cls) -> None:
        if "times_slope" in cls.__dict__:
            # bound here: Dynamo follows a closure, but not an attribute of the class
            times_slope, saves = cls.__dict__["times_slope"].__func__, cls.saves

            def setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:
                save(ctx, inputs[0] if saves == "input" else output)
                ctx.scalars = inputs[1:]

            def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
                return times_slope(grad_output, *ctx.saved_tensors, *ctx.scalars), *(None for _ in ctx.scalars)

            def jvp(ctx: Any, tangent: torch.Tensor, *_: None) -> torch.Tensor:
                return times_slope(tangent, *ctx.saved_tensors, *ctx.scalars)

            cls.setup_context = staticmethod(setup_context)  # type: ignore[method-assign]
            cls.backward = staticmethod(backward)  # type: ignore[method-assign]
            cls.jvp = staticmethod(jvp)  # type: ignore[method-assign]
        super().__init_subclass__()


def save(ctx: Any, *tensors: torch.Tensor | None) -> None:
    """Keep ``tensors``, inputs or outputs of the rule, for ``backward`` and for ``jvp`` alike."""
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _each_apart(inputs: tuple) -> list:
    """The inputs, where one that comes again is a view of itself: Dynamo takes no tensor twice."""
    apart: list = []
    for value in inputs:
        is_again = isinstance(value, torch.Tensor) and any(value is other for other in apart)
        apart.append(value.view_as(value) if is_again else value)
    return apart


def _is_differentiated(inputs: tuple) -> bool:
    return torch.is_grad_enabled() and any(isinstance(a, torch.Tensor) and a.requires_grad for a in inputs)


def _under_nested_forward_mode(jvp: Callable) -> Callable:
    """Make the ``jvp`` of a ``jvp`` right.

    torch runs a hand-written jvp with forward gradients switched off, so an enclosing forward level sees a constant and
    loses, without a word, every term that comes from the tangent's dependence on the primal. The remedy: where two
    forward levels are active, switch them on again for the primals alone.
    """

    @functools.wraps(jvp)
    def call(ctx: Any, *tangents: Any) -> Any:
        if _forward_levels() < 2:
            return jvp(ctx, *tangents)
        with forward_ad._set_fwd_grad_enabled(True):
            return jvp(_Primals(ctx), *(_primal(tangent) for tangent in tangents))

    return call


def _forward_levels() -> int:
    return sum(interpreter.key() == TransformType.Jvp for interpreter in get_interpreter_stack() or ())


def _primal(value: Any) -> Any:
    return forward_ad.unpack_dual(value).primal if isinstance(value, torch.Tensor) else value


class _Primals:
    """A context whose saved tensors come without the tangent of the innermost forward level."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx

    @property
    def saved_tensors(self) -> tuple[torch.Tensor | None, ...]:
        return tuple(_primal(tensor) for tensor in self._ctx.saved_tensors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)
