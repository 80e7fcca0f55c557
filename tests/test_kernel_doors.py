"""The hot operations as registered operators: compilers, exporters and function transforms see through each of them."""

import io
import warnings

import pytest
import torch
from torch.export import Dim, export
from torch.func import functional_call, grad, vmap

import test_group_attention
import test_kernels as shared
from course_lib import kernels as K
from course_lib.groups import C4
from course_lib.layers import E4Layer, GroupMaxPool, GroupSelfAttention2d, StandAloneSelfAttention2d

WINDOW = (3, 4, 5)
# name of the operator → the public function, its reference, and arguments
DOORS = {
    "aggregate": (K.aggregate, K.unfold_and_sum, shared.kernels_and_values),
    "generate_and_aggregate": (K.generate_and_aggregate, shared.generate_unfold_and_sum, shared.e4_arguments),
    "affine_attention": (
        shared.attend(K.affine_attention, 3, masked=True),
        shared.attend(K.unfold_and_attend, 3, masked=True),
        shared.attention_arguments,
    ),
    "group_attention": (test_group_attention.fast, test_group_attention.reference, test_group_attention.arguments),
}
doors = pytest.mark.parametrize("name", DOORS)


# The others warn about themselves; what they look at, compilation, is tested below.
CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor")


class Called(torch.nn.Module):
    """A function as a module, which is what export and trace take; the first argument changes, the others are kept."""

    def __init__(self, function, others):
        super().__init__()
        self.function = function
        self.others = torch.nn.ParameterList(others)

    def forward(self, *maps):
        return self.function(*maps, *self.others)


def split_arguments(name, batch=2):
    """What has a batch axis, and what has none."""
    torch.manual_seed(0)
    arguments = DOORS[name][2](2, WINDOW, batch=batch)
    maps = {"aggregate": 2, "generate_and_aggregate": 2, "affine_attention": 3, "group_attention": 3}[name]
    return [a.detach() for a in arguments[:maps]], [a.detach() for a in arguments[maps:]]


@doors
def test_it_is_registered_as_torch_wants_it(name):
    """Schema, fake result (shape, type, strides) and gradients; also for maps with their pixels outermost in memory."""
    maps, others = split_arguments(name)
    settings = {"affine_attention": (3, 2, True), "group_attention": (2,)}.get(name, ())
    last = [a.transpose(1, -1).contiguous().transpose(1, -1) for a in maps]
    for given in (maps, last):
        inputs = [*(a.detach().clone().requires_grad_() for a in (*given, *others)), *settings]
        assert all(a.stride() == b.stride() for a, b in zip(given, inputs, strict=False))
        torch.library.opcheck(getattr(torch.ops.course_lib, name).default, inputs, test_utils=CHECKS)


@doors
def test_one_graph(name):
    fast, _, make = DOORS[name]
    torch.compiler.reset()
    shared.assert_same(torch.compile(fast, backend="aot_eager", fullgraph=True), fast, make(2, WINDOW))


@doors
def test_export_for_any_batch_size(name):
    maps, others = split_arguments(name)
    fast, reference, _ = DOORS[name]
    batch = Dim("batch")
    program = export(Called(fast, others), tuple(maps), dynamic_shapes=(tuple({0: batch} for _ in maps),))
    more, _ = split_arguments(name, batch=5)
    torch.testing.assert_close(program.module()(*more), reference(*more, *others))


@doors
@pytest.mark.parametrize("recording", [True, False], ids=["gradients", "no gradients"])
def test_trace_save_and_load(name, recording):
    maps, others = split_arguments(name)
    fast, reference, _ = DOORS[name]
    with torch.set_grad_enabled(recording), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch.jit, which is deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        traced, file = torch.jit.trace(Called(fast, others), tuple(maps)), io.BytesIO()
        torch.jit.save(traced, file)
        file.seek(0)
        loaded = torch.jit.load(file)
    more, _ = split_arguments(name, batch=5)
    torch.testing.assert_close(loaded(*more), reference(*more, *others))


@doors
def test_vmap_and_gradients_for_each_example(name):
    """An axis in front of the maps only; the gradients of all arguments are those of the reference for each example."""
    maps, others = split_arguments(name)
    fast, reference, _ = DOORS[name]
    maps = [torch.stack([a, 2 * a, a.flip(1)]) for a in maps]
    dims = (0,) * len(maps) + (None,) * len(others)
    torch.testing.assert_close(vmap(fast, dims)(*maps, *others), vmap(reference, dims)(*maps, *others))

    def slopes(function):
        return grad(lambda *a: function(*a).square().sum(), tuple(range(len(dims))))

    got = vmap(slopes(fast), dims)(*maps, *others)
    for i in range(3):
        for some, expected in zip(got, slopes(reference)(*(a[i] for a in maps), *others), strict=True):
            torch.testing.assert_close(some[i], expected)


@doors
def test_a_second_derivative_in_torch_func_names_the_reference(name):
    maps, others = split_arguments(name)
    with pytest.raises(RuntimeError, match="cannot be differentiated twice.*use the reference unfold_and"):
        grad(lambda a: grad(lambda b: DOORS[name][0](b, *maps[1:], *others).square().sum())(a).sum())(maps[0])


@pytest.mark.parametrize(
    "layer",
    [E4Layer, StandAloneSelfAttention2d, GroupSelfAttention2d],
    ids=lambda kind: kind.__name__,
)
def test_a_layer_gives_the_gradients_of_each_example(layer):
    torch.manual_seed(0)
    net = torch.nn.Sequential(layer(C4, 4, 4, 3), GroupMaxPool(C4)).double()
    parameters, x = dict(net.named_parameters()), torch.randn(3, 4, 4, 5, 5, dtype=torch.float64)

    def loss(p, example):
        return functional_call(net, p, (example[None],)).square().sum()

    each = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    loss(parameters, x[1]).backward()
    for name, parameter in parameters.items():
        torch.testing.assert_close(each[name][1], parameter.grad)
