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
from course_lib.layers import GroupBatchNorm, GroupConv2d, lifting_filter_bank

CASES = ((C4, 4, 6, 3, 2, 2), (D4, 4, 4, 5, 2, 1))
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


def _smallest(f: Function, reference: Function) -> None:
    _compare(f, reference, (C1, 2, 2, 3))


def _layers(f: Function, reference: Function) -> None:
    for inputs in CASES:
        _compare(f, reference, inputs)


def _compare(f: Function, reference: Function, inputs: tuple[Any, ...]) -> None:
    """The same parameters by name, a sensible start, and then, with the same random weights, the same results."""
    example = dict(zip(inspect.signature(reference).parameters, inputs, strict=False))
    group, channels = inputs[:2]
    x = torch.randn(2, channels, group.order, 5, 6, dtype=torch.float64)
    layer, expected = call(f, *inputs, example=example), reference(*inputs).double()
    if not isinstance(layer, nn.Module):
        raise Mistake(f"`E4(…)` made {type(layer).__name__}. Write `class E4(nn.Module)`.", example)
    if problem := _parameters(expected, layer):
        raise Mistake(problem, example)
    run = update_wrapper(partial(layer.double()), f)  # an error in `forward` names the learner's line
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


def _parameters(expected: nn.Module, layer: nn.Module) -> str | None:
    """The first parameter that is missing, has another shape, or is not one of E4's."""
    wanted, yours = ({n: tuple(p.shape) for n, p in net.named_parameters()} for net in (expected, layer))
    for name, shape in wanted.items():
        if name not in yours:
            return (
                f"Your layer has no parameter `{name}` of shape {shape}. It has {', '.join(yours) or 'none at all'}. "
                "Keep the names of the docstring, and make W₂ and b₂ with `nn.Parameter`, so that they are trained."
            )
        if yours[name] != shape:
            return f"`{name}` has the shape {yours[name]}, expected {shape}."
    if more := yours.keys() - wanted.keys():
        return f"Your layer has a parameter that E4 does not have: {min(more)}."
    return None


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


class _HiddenIsReduction(E4):
    def __init__(self, group: Group, c_in: int, c_out: int, k: int, slices: int = 1, reduction: int = 1) -> None:
        super().__init__(group, c_in, c_out, k, slices, c_in // reduction)


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


class _BatchNorm(_E4):
    def __init__(self, group: Group, c_in: int, c_out: int, k: int, slices: int = 1, reduction: int = 1) -> None:
        super().__init__(group, c_in, c_out, k, slices, reduction)
        self.norm = GroupBatchNorm(group, c_in // reduction)  # type: ignore[assignment]


class _WideEncoder(_E4):
    def __init__(self, group: Group, c_in: int, c_out: int, k: int, slices: int = 1, reduction: int = 1) -> None:
        super().__init__(group, c_in, c_out, k, slices, reduction)
        self.encoder = GroupConv2d(group, c_in, c_out, k, padding=k // 2, bias=False)


class _EncodesHidden(_E4):
    def __init__(self, group: Group, c_in: int, c_out: int, k: int, slices: int = 1, reduction: int = 1) -> None:
        super().__init__(group, c_in, c_out, k, slices, reduction)
        self.encoder = GroupConv2d(group, c_in // reduction, c_out, 1, bias=False)

    def values(self, x: Tensor) -> Tensor:
        return self.encoder(self.hidden(x))


class _HiddenFirst(_E4):
    def __init__(self, group: Group, c_in: int, c_out: int, k: int, slices: int = 1, reduction: int = 1) -> None:
        super().__init__(group, c_in, c_out, k, slices, reduction)
        self.kernel_weight = nn.Parameter(self.kernel_weight.detach().transpose(0, 1).contiguous())

    def bank(self, parameter: Tensor) -> Tensor:
        return super().bank(parameter.transpose(0, 1) if parameter is self.kernel_weight else parameter)


class _PerChannel(E4):
    """A kernel for each channel."""

    def __init__(self, group: Group, c_in: int, c_out: int, k: int, slices: int = 1, reduction: int = 1) -> None:
        super().__init__(group, c_in, c_out, k, c_out, reduction)


class _NoReduction(E4):
    def __init__(self, group: Group, c_in: int, c_out: int, k: int, slices: int = 1, reduction: int = 1) -> None:
        super().__init__(group, c_in, c_out, k, slices, 1)


register(
    "8.5",
    E4,
    minutes=25,
    difficulty=3,
    checks=[_smallest, _layers],
    hints=[
        "Follow the diagram at the head of the notebook from the top. `__init__` makes one thing for each arrow with "
        "weights: two 1×1 group convolutions, a norm, and the two parameters W₂ and b₂.",
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
        (
            _HiddenIsReduction,
            "Your hidden layer has `reduction` channels. It has `in_channels // reduction`: r divides.",
        ),
        (_NoRelu, "The relu between W₁ and W₂ is missing."),
        (_NoNorm, "You have made the norm but do not use it. It comes after W₁, before the relu."),
        (_NormAfterRelu, "The norm comes before the relu: relu(norm(W₁x)). You have them the other way round."),
        (_ReluOnValues, "You take the relu of the values. V = W₃y is linear; only the kernel generator has a relu."),
        (_FromValues, "You make the kernels from the encoder's map. They are made from relu(norm(W₁x))."),
        (_NoEncoder, "You sum the features themselves. They go through the encoder first: V = W₃y."),
        (_Softmax, "You take a softmax of the kernels, as attention does. E4 uses W₂z + b₂ as they are."),
        (_ReluAtTheEnd, "There is a relu at the end. The layer's result is the sum itself."),
        (
            _BatchNorm,
            "Your norm is a batch norm. Here each image is normalized for itself: use `GroupInstanceNorm`.",
        ),
        (_WideEncoder, "Your encoder is a k × k convolution. W₃ acts at every pixel for itself: kernel size 1."),
        (_EncodesHidden, "Your encoder reads the hidden map. V encodes x itself: V = W₃x, from all C channels."),
        (_HiddenFirst, "The first two axes of your W₂ are swapped: it is (s, C/r, k, k), slices first."),
        (_ThroughRelu, "The encoder reads x itself. You pass it relu(x)."),
        (
            _PerChannel,
            "Your W₂ writes one kernel for each output channel. The channels of a slice share one, so W₂ has `slices` "
            "tables for each hidden channel.",
        ),
        (
            _NoReduction,
            "Your hidden layer has as many channels as the input. It has `in_channels // reduction`.",
        ),
    ],
)
