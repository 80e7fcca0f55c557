"""One door for each hot operation: a registered operator that compilers, exporters and transforms can see through."""

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch._library.autograd import Info, make_autograd_impl
from torch.autograd import Function
from torch.autograd.forward_ad import unpack_dual

Operation = Callable[..., Any]
Refusal = Callable[[str], NoReturn]
_LIBRARY = torch.library.Library("course_lib", "FRAGMENT")

_TWICE = "twice, and create_graph=True asks for it. Leave that out"
_FORWARD_MODE = (
    "in forward mode, and an argument with a tangent asks for it (jvp, jacfwd, hessian, linearize, forward_ad). "
    "Use reverse mode (grad, vjp, jacrev)"
)


def door(
    name: str, arguments: str, forward: Operation, backward: Operation, fake: Operation, reference: str
) -> Callable[..., Tensor]:
    """Register the operator ``course_lib::name`` and the one of its gradients; return the function that calls it.

    ``arguments`` declares them as a schema does, tensors first. ``backward(upstream, *inputs)`` gives a list with a
    gradient for each tensor among the inputs, which are all that is kept; ``fake(*inputs)`` gives a result of the right
    shape, type and strides without computing it. A second derivative, and any in forward mode, is refused with the name
    of the ``reference``.
    """

    def refuse(how: str) -> NoReturn:
        raise RuntimeError(f"this kernel cannot be differentiated {how}, or use the reference {reference}, which can")

    tensors = arguments.count("Tensor")
    operator = _define(name, f"({arguments}) -> Tensor", forward, fake)
    operator_backward = _define(
        f"{name}_backward",
        f"(Tensor upstream, {arguments}) -> ({', '.join(tensors * ['Tensor'])})",
        _one_each(backward, tensors),
        _one_each(lambda upstream, *inputs: map(torch.empty_like, _tensors(inputs)), tensors),
    )
    call_backward = _differentiable(operator_backward, lambda *_: refuse(_TWICE), refuse)
    return _differentiable(operator, _gradients(call_backward), refuse)


def _define(name: str, schema: str, function: Operation, fake: Operation) -> Any:
    """An operator of our library. `torch.library.custom_op` would do the same, but import all of torch.compile, which
    takes more than a second, when it is first called."""
    _LIBRARY.define(name + schema, tags=torch.Tag.pt2_compliant_tag)
    _LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"course_lib::{name}", fake, lib=_LIBRARY)
    return getattr(torch.ops.course_lib, name).default


def _one_each(backward: Operation, tensors: int) -> Operation:
    """A gradient for each argument that may be a tensor, empty where none was given: ``is_grads_batched=True`` calls an
    operator for one example after another, but only if it always gives the same number of tensors, and no list."""

    def gradients(upstream: Tensor, *inputs: Any) -> tuple[Tensor, ...]:
        found = iter(backward(upstream, *inputs))
        return tuple(next(found) if isinstance(x, Tensor) else upstream.new_empty(0) for x in inputs[:tensors])

    return gradients


def _gradients(backward: Operation) -> Operation:
    def differentiate(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # activation checkpointing hands them out once
        inputs = [kept if tensor is None else tensor for tensor, kept in zip(saved, ctx.settings, strict=True)]
        found = zip_longest(saved, backward(upstream, *inputs))  # the settings are last and have no gradients
        return tuple(None if tensor is None else gradient for tensor, gradient in found)

    return differentiate


def _differentiable(operator: Any, differentiate: Operation, refuse: Refusal) -> Operation:
    """The function that calls the operator, with its gradients: registered as `torch.library.register_autograd` would,
    except that tangents are refused, and once more for `torch.func`."""

    def differentiate_once(ctx: Any, *upstream: Tensor) -> Any:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            refuse(_TWICE)  # at once; torch.func always asks for a graph, and is refused where it uses that
        return differentiate(ctx, *upstream)

    record = make_autograd_impl(operator, Info(differentiate_once, _keep_inputs))

    def record_without_tangents(keyset: Any, *inputs: Any) -> Any:
        if any(unpack_dual(x).tangent is not None for x in _tensors(inputs)):
            refuse(_FORWARD_MODE)  # they would be lost without a word
        return record(keyset, *inputs)

    _LIBRARY.impl(operator, record_without_tangents, "Autograd", with_keyset=True)
    transformed = _for_transforms(operator, differentiate, refuse)

    def call(*inputs: Any) -> Any:
        return transformed(*inputs) if is_transforming() else operator(*inputs)

    return call


def is_transforming() -> bool:
    """Whether `torch.func` is at work, which does not see through the gradients of a registered operator."""
    return not torch.compiler.is_compiling() and peek_interpreter_stack() is not None


def _tensors(inputs: tuple[Any, ...]) -> list[Tensor]:
    return [x for x in inputs if isinstance(x, Tensor)]


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*(x if isinstance(x, Tensor) else None for x in inputs))
    ctx.settings = [None if isinstance(x, Tensor) else x for x in inputs]


def _for_transforms(operator: Operation, differentiate: Operation, refuse: Refusal) -> Operation:
    """The operator as `torch.func` takes it; under vmap it is called for one example after another."""

    class Transformed(Function):
        @staticmethod
        def forward(*inputs: Any) -> Any:
            return operator(*inputs)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            _keep_inputs(ctx, inputs, output)

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            return differentiate(ctx, *upstream)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> NoReturn:
            refuse(_FORWARD_MODE)

        @staticmethod
        def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
            results = [
                Transformed.apply(*(x if d is None else x.select(d, i) for x, d in zip(inputs, in_dims, strict=True)))
                for i in range(info.batch_size)
            ]
            if isinstance(results[0], Tensor):
                return torch.stack(results), 0
            stacked = tuple(torch.stack(result) for result in zip(*results, strict=True))
            return stacked, (0,) * len(stacked)

    return Transformed.apply
