"""One door for each hot operation: a registered operator that compilers, exporters and transforms can see through."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch.autograd import Function

Operation = Callable[..., Any]
_LIBRARY = torch.library.Library("course_lib", "FRAGMENT")


def door(
    name: str, arguments: str, forward: Operation, backward: Operation, fake: Operation, reference: str
) -> Callable[..., Tensor]:
    """Register the operator ``course_lib::name`` and the one of its gradients; return the function that calls it.

    ``arguments`` declares them as a schema does. ``backward(upstream, *inputs)`` gives a list with a gradient for each
    tensor among the inputs, which are all that is kept; ``fake(*inputs)`` gives a result of the right shape, type and
    strides without computing it. A second derivative is refused with the name of the ``reference``.
    """

    def gradients_of(call: Operation) -> Operation:
        def differentiate(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
            if torch.is_grad_enabled() and not torch.compiler.is_compiling() and not is_transforming():
                refuse()  # at once; torch.func always asks for a graph, and is refused where it uses that
            saved = ctx.saved_tensors  # activation checkpointing hands them out once
            inputs = [kept if tensor is None else tensor for tensor, kept in zip(saved, ctx.settings, strict=True)]
            found = iter(call(upstream, *inputs))
            return tuple(None if tensor is None else next(found) for tensor in saved)

        return differentiate

    def refuse(*_: Any) -> None:
        raise RuntimeError(
            "this kernel cannot be differentiated twice, and create_graph=True asks for it. Leave that out, or use "
            f"the reference {reference}, which can"
        )

    operator = _define(name, f"({arguments}) -> Tensor", forward, fake)
    operator_backward = _define(
        f"{name}_backward",
        f"(Tensor upstream, {arguments}) -> Tensor[]",
        backward,
        lambda upstream, *inputs: [torch.empty_like(t) for t in _tensors(inputs)],
    )
    torch.library.register_autograd(
        f"course_lib::{name}", gradients_of(operator_backward), setup_context=_keep_inputs, lib=_LIBRARY
    )
    torch.library.register_autograd(f"course_lib::{name}_backward", refuse, lib=_LIBRARY)
    transformed_backward = _for_transforms(lambda *inputs: tuple(operator_backward(*inputs)), refuse)
    transformed = _for_transforms(operator, gradients_of(transformed_backward))

    def call(*inputs: Any) -> Tensor:
        return transformed(*inputs) if is_transforming() else operator(*inputs)

    return call


def _define(name: str, schema: str, function: Operation, fake: Operation) -> Operation:
    """An operator of our library. `torch.library.custom_op` would do the same, but import all of torch.compile, which
    takes more than a second, when it is first called."""
    _LIBRARY.define(name + schema, tags=torch.Tag.pt2_compliant_tag)
    _LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"course_lib::{name}", fake, lib=_LIBRARY)
    operator: Operation = getattr(torch.ops.course_lib, name).default
    return operator


def is_transforming() -> bool:
    """Whether `torch.func` is at work, which does not see through the gradients of a registered operator."""
    return not torch.compiler.is_compiling() and peek_interpreter_stack() is not None


def _tensors(inputs: tuple[Any, ...]) -> list[Tensor]:
    return [x for x in inputs if isinstance(x, Tensor)]


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*(x if isinstance(x, Tensor) else None for x in inputs))
    ctx.settings = [None if isinstance(x, Tensor) else x for x in inputs]


def _for_transforms(operator: Operation, differentiate: Operation) -> Operation:
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
