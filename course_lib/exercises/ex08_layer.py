"""Exercise 8.5 of notebook 08: the whole E4 layer as a module."""

import inspect
from functools import partial, update_wrapper
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.actions import act_on_image
from course_lib.exercises import Function, register
from course_lib.exercises.comparing import Mistake, call
from course_lib.exercises.values import difference
from course_lib.framework import E4
from course_lib.groups import C1, C4, D4, Element, Group, inverse
from course_lib.kernels import generate_kernels, unfold_and_sum
from course_lib.layers import lifting_filter_bank

CASES = ((C4, 4, 6, 3, 2, 2), (D4, 4, 4, 5, 2, 1))
DISTINCT = (C4, 12, 15, 7, 5, 6)  # no two sizes of a layer are the same, so a wrong one tells where it comes from
AXES = {
    "squeeze.weight": ("hidden channels", "input channels", "sheets", "rows", "columns"),
    "norm.weight": ("hidden channels", "sheets (of length 1, as in `GroupInstanceNorm`)"),
    "norm.bias": ("hidden channels", "sheets (of length 1, as in `GroupInstanceNorm`)"),
    "kernel_weight": ("slices", "hidden channels", "rows", "columns"),
    "kernel_bias": ("slices", "rows", "columns"),
    "encoder.weight": ("output channels", "input channels", "sheets", "rows", "columns"),
}
START = (
    "At the start your layer turns features of standard deviation 1 into features of {}. Draw W₂ and b₂ at random, "
    "with the standard deviations given above; `torch.empty` holds whatever was in memory, and zeros give zero."
)
COPIES = (
    "With W₂ = 0 and b₂ = 1 in the middle, every kernel only copies the pixel itself, and the result must be V = W₃x. "
    "Yours is not: look at V, and at what you do to the kernels or to the sum."
)
BIAS_ALONE = (
    "It is wrong with W₂ = 0 already, when the kernels are b₂ alone: is b₂ turned for each sheet, and does the encoder "
    "come before the sum?"
)
HIDDEN_MAP = (
    "With b₂ alone it is right. It goes wrong with a W₂ that is 1 in the middle, which needs no turning: look at the "
    "hidden map relu(norm(W₁x))."
)
WEIGHT_ALONE = "V, b₂ and the hidden map are right. Is W₂ turned for each sheet?"
STALE = (
    "Either `forward` does not use it, or you have made the bank once, in `__init__`. Training changes the parameter, "
    "so "
    "make the bank in `forward`."
)


def _shapes(f: Function, reference: Function) -> None:
    _made(f, reference, DISTINCT)


def _smallest(f: Function, reference: Function) -> None:
    _compare(f, reference, (C1, 2, 2, 3))


def _layers(f: Function, reference: Function) -> None:
    for inputs in CASES:
        _compare(f, reference, inputs)


def _made(f: Function, reference: Function, inputs: tuple[Any, ...]) -> tuple[nn.Module, nn.Module, dict[str, Any]]:
    """The expected layer, the learner's, whose parameters have the same names and shapes, and the example to show."""
    example = dict(zip(inspect.signature(reference).parameters, inputs, strict=False))
    expected, layer = reference(*inputs).double(), call(f, *inputs, example=example)
    if not isinstance(layer, nn.Module):
        raise Mistake(f"`E4(…)` made {type(layer).__name__}. Write `class E4(nn.Module)`.", example)
    if problem := _parameters(expected, layer, _sizes(*inputs)):
        raise Mistake(problem, example)
    return expected, layer.double(), example


def _compare(f: Function, reference: Function, inputs: tuple[Any, ...]) -> None:
    """A sensible start, and then, with the same random weights, the same results."""
    expected, layer, example = _made(f, reference, inputs)
    group, channels = inputs[:2]
    x = torch.randn(2, channels, group.order, 5, 6, dtype=torch.float64)
    run = update_wrapper(partial(layer), f)  # an error in `forward` names the learner's line
    with torch.no_grad():
        y = call(run, x, example=example)
    if not isinstance(y, Tensor):
        raise Mistake(f"`forward` returned {y!r}, expected a feature map. Did you forget `return`?", example)
    size = float(y.std()) if y.numel() > 1 else 1.0
    if not 0.05 < size < 20:
        raise Mistake(START.format(f"{size:.2g}"), example)
    with torch.no_grad():
        for name, value in expected.named_parameters():
            layer.get_parameter(name).copy_(value.copy_(torch.randn_like(value)))
        wanted, yours = expected(x), call(run, x, example=example)
        for name in ("kernel_weight", "kernel_bias"):
            layer.get_parameter(name).mul_(2)
            if torch.equal(call(run, x, example=example), yours):
                raise Mistake(f"A change of `{name}` does not change the result. {STALE}", example)
            layer.get_parameter(name).div_(2)
    if problem := difference(wanted, yours):
        where = _where(expected, layer, x)
        raise Mistake(f"With the same random weights, your layer {problem}. {where}".strip(), example, wanted, yours)


@torch.no_grad()
def _where(expected: nn.Module, layer: nn.Module, x: Tensor) -> str:
    """The part of a wrong layer that goes wrong alone: the others are switched off by simple tables W₂ and b₂."""
    weight, bias = (expected.get_parameter(name) for name in ("kernel_weight", "kernel_bias"))
    middle = torch.zeros_like(bias)
    middle[:, bias.shape[-1] // 2, bias.shape[-1] // 2] = 1
    for W2, b2, what in (
        (0 * weight, middle, COPIES),
        (0 * weight, torch.randn_like(bias), BIAS_ALONE),
        (middle[:, None].expand_as(weight), 0 * bias, HIDDEN_MAP),
        (torch.randn_like(weight), 0 * bias, WEIGHT_ALONE),
    ):
        for net in (expected, layer):
            net.get_parameter("kernel_weight").copy_(W2)
            net.get_parameter("kernel_bias").copy_(b2)
        if difference(expected(x), layer(x)):
            return what
    return ""


def _sizes(group: Group, channels: int, out: int, k: int, slices: int = 1, reduction: int = 1) -> dict[int, str]:
    """What each size of a layer is called, as far as no other one is the same."""
    named = (
        (channels, "number of input channels"),
        (out, "number of output channels"),
        (k, "kernel size"),
        (slices, "number of slices"),
        (reduction, "reduction ratio"),
        (channels // reduction, "number of hidden channels, C/r"),
        (out // slices, "number of channels in a slice"),
        (group.order, "number of sheets"),
    )
    numbers = [number for number, _ in named]
    return {number: name for number, name in named if numbers.count(number) == 1}


def _parameters(expected: nn.Module, layer: nn.Module, sizes: dict[int, str]) -> str | None:
    """The first parameter that is missing, has another shape, or is not one of E4's."""
    wanted, yours = ({n: tuple(p.shape) for n, p in net.named_parameters()} for net in (expected, layer))
    for name, shape in wanted.items():
        if name not in yours:
            return (
                f"Your layer has no parameter `{name}` of shape {shape}. It has {', '.join(yours) or 'none at all'}. "
                "Keep the names of the docstring, and make W₂ and b₂ with `nn.Parameter`, so that they are trained."
            )
        if yours[name] != shape:
            return f"`{name}` has the shape {yours[name]}, expected {shape}. {_axis(name, yours[name], shape, sizes)}"
    if more := yours.keys() - wanted.keys():
        return f"Your layer has a parameter that E4 does not have: {min(more)}."
    return None


def _axis(name: str, yours: tuple[int, ...], wanted: tuple[int, ...], sizes: dict[int, str]) -> str:
    """The first axis that has another length, and whose length that is; or the order of all axes."""
    if sorted(yours) == sorted(wanted) or len(yours) != len(wanted):
        return f"Its axes are: {', '.join(AXES[name])}."
    axis, got, want = next((i, n, m) for i, (n, m) in enumerate(zip(yours, wanted, strict=True)) if n != m)
    given, needed = (f", the {sizes[n]}" if n in sizes else "" for n in (got, want))
    return f"Its axis for the {AXES[name][axis]} has length {got}{given}. It should be {want}{needed}."


class _E4(E4):
    """Wrong layers change one of these steps."""

    def bank(self, parameter: Tensor) -> Tensor:
        return lifting_filter_bank(parameter, self.group)

    def hidden(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.squeeze(x)))

    def values(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def forward(self, x: Tensor) -> Tensor:
        kernels = generate_kernels(self.hidden(x), self.bank(self.kernel_weight), self.bank(self.kernel_bias))
        return unfold_and_sum(kernels, self.values(x))


class _NotTurned(_E4):
    def bank(self, parameter: Tensor) -> Tensor:
        return torch.stack([parameter] * self.group.order, dim=1)


class _BiasNotTurned(_E4):
    def bank(self, parameter: Tensor) -> Tensor:
        if parameter is self.kernel_bias:
            return torch.stack([parameter] * self.group.order, dim=1)
        return super().bank(parameter)


class _WrongWay(_E4):
    def bank(self, parameter: Tensor) -> Tensor:
        return torch.stack([act_on_image(inverse(h), parameter) for h in self.group.elements], dim=1)


class _NotMirrored(_E4):
    def bank(self, parameter: Tensor) -> Tensor:
        return torch.stack([act_on_image(Element(0, h.r), parameter) for h in self.group.elements], dim=1)


class _SecondRelu(_E4):
    def forward(self, x: Tensor) -> Tensor:
        kernels = generate_kernels(self.hidden(x), self.bank(self.kernel_weight), self.bank(self.kernel_bias))
        return unfold_and_sum(kernels.relu(), self.values(x))


class _NoRelu(_E4):
    def hidden(self, x: Tensor) -> Tensor:
        return self.norm(self.squeeze(x))


class _NoNorm(_E4):
    def hidden(self, x: Tensor) -> Tensor:
        return self.squeeze(x).relu()


class _NormAfterRelu(_E4):
    def hidden(self, x: Tensor) -> Tensor:
        return self.norm(self.squeeze(x).relu())


class _ReluOnValues(_E4):
    def values(self, x: Tensor) -> Tensor:
        return self.encoder(x).relu()


class _NoEncoder(_E4):
    def values(self, x: Tensor) -> Tensor:
        return x


class _FromValues(_E4):
    def hidden(self, x: Tensor) -> Tensor:
        return self.encoder(x)


class _ThroughRelu(_E4):
    def values(self, x: Tensor) -> Tensor:
        return self.encoder(x.relu())


class _Softmax(_E4):
    def forward(self, x: Tensor) -> Tensor:
        kernels = generate_kernels(self.hidden(x), self.bank(self.kernel_weight), self.bank(self.kernel_bias))
        return unfold_and_sum(kernels.softmax(dim=3), self.values(x))


class _ReluAtTheEnd(_E4):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


register(
    "8.5",
    E4,
    minutes=25,
    difficulty=3,
    checks=[_shapes, _smallest, _layers],
    hints=[
        "Follow the diagram at the head of the notebook from the left. `__init__` makes what the purple boxes need: "
        "two 1×1 group convolutions, a norm, and the two parameters W₂ and b₂ (the diagram leaves b₂ out).",
        "`forward` has three steps: the hidden map, `self.norm(self.squeeze(x)).relu()`; the kernels, from the hidden "
        "map and the banks of W₂ and b₂; the sum over the neighbors.",
        "`lifting_filter_bank(self.kernel_weight, self.group)` is (s, |H|, M, k, k), and the same call on the bias "
        "gives (s, |H|, k, k): what `generate_kernels` takes. Finally `unfold_and_sum(kernels, self.encoder(x))`.",
    ],
    known_mistakes=[
        (_NotTurned, "W₂ and b₂ are the same on every sheet. Sheet h needs them turned by h: `lifting_filter_bank`."),
        (_BiasNotTurned, "W₂ is turned for each sheet, but b₂ is not. Both are k × k tables on the plane."),
        (_WrongWay, "You turn W₂ and b₂ by h⁻¹ on the sheet h. Turn them by h, as `lifting_filter_bank` does."),
        (_NotMirrored, "You turn W₂ and b₂, but you never mirror them. Sheet h needs them moved by all of h."),
        (_SecondRelu, "There is a second relu, after W₂. A kernel may have negative values, as an edge filter has."),
        (_NoRelu, "The relu between W₁ and W₂ is missing."),
        (_NoNorm, "You have made the norm but do not use it. It comes after W₁, before the relu."),
        (_NormAfterRelu, "The norm comes before the relu: relu(norm(W₁x)). You have them the other way round."),
        (_ReluOnValues, "You take the relu of the values. V = W₃y is linear; only the kernel generator has a relu."),
        (_FromValues, "You make the kernels from the encoder's map. They are made from relu(norm(W₁x))."),
        (_NoEncoder, "You sum the features themselves. They go through the encoder first: V = W₃y."),
        (_Softmax, "You take a softmax of the kernels, as attention does. E4 uses W₂z + b₂ as they are."),
        (_ReluAtTheEnd, "There is a relu at the end. The layer's result is the sum itself."),
        (_ThroughRelu, "The encoder reads x itself. You pass it relu(x)."),
    ],
)
