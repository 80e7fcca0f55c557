"""The hot operations as registered operators: compilers, exporters and function transforms see through each of them."""

import io
import warnings

import pytest
import torch
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.export import Dim, export
from torch.func import functional_call, grad, hessian, jacrev, jvp, linearize, vjp, vmap

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
SETTINGS = {"affine_attention": (3, 2, True), "group_attention": (2,)}  # of the operators that have any

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


def all_arguments(name):
    maps, others = split_arguments(name)
    return maps + others


@doors
def test_it_is_registered_as_torch_wants_it(name):
    """Schema, fake result (shape, type, strides) and gradients; also for maps with their pixels outermost in memory."""
    maps, others = split_arguments(name)
    last = [a.transpose(1, -1).contiguous().transpose(1, -1) for a in maps]
    for given in (maps, last):
        inputs = [*(a.detach().clone().requires_grad_() for a in (*given, *others)), *SETTINGS.get(name, ())]
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


def loss_of(function):
    return lambda *a: function(*a).square().sum()


def slopes_of(function, arguments):
    return grad(loss_of(function), tuple(range(len(arguments))))


@doors
def test_vmap_and_gradients_for_each_example(name):
    """An axis in front of the maps only; the gradients of all arguments are those of the reference for each example."""
    maps, others = split_arguments(name)
    fast, reference, _ = DOORS[name]
    maps = [torch.stack([a, 2 * a, a.flip(1)]) for a in maps]
    dims = (0,) * len(maps) + (None,) * len(others)
    torch.testing.assert_close(vmap(fast, dims)(*maps, *others), vmap(reference, dims)(*maps, *others))

    got = vmap(slopes_of(fast, dims), dims)(*maps, *others)
    for i in range(3):
        for some, expected in zip(got, slopes_of(reference, dims)(*(a[i] for a in maps), *others), strict=True):
            torch.testing.assert_close(some[i], expected)


def recorded(function, arguments):
    given = [a.detach().clone().requires_grad_() for a in arguments]
    return given, function(*given)


def slopes_at_once(function, arguments, **options):
    """For two upstream gradients, which `torch.autograd` takes together through a vmap of its own."""
    given, y = recorded(function, arguments)
    return torch.autograd.grad(y, given, torch.stack([y, 2 * y]).detach(), is_grads_batched=True, **options)


def slopes_by_vmap(function, arguments):
    given, y = recorded(function, arguments)
    return vmap(lambda upstream: torch.autograd.grad(y, given, upstream, retain_graph=True))(torch.stack([y, 2 * y]))


def assert_same_slopes(way, fast, reference, arguments):
    got = REVERSE[way](fast, arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # vmap is slow for some of the steps of a reference
        expected = REVERSE[way](reference, arguments)
    torch.testing.assert_close(got, expected)


REVERSE = {
    "func.vjp": lambda f, a: vjp(f, *a)[1](f(*a)),
    "func.grad": lambda f, a: slopes_of(f, a)(*a),
    "vmap of grad": lambda f, a: vmap(slopes_of(f, a))(*(torch.stack([x, 2 * x]) for x in a)),
    "vmap of vjp": lambda f, a: vmap(vjp(f, *a)[1])(torch.stack([f(*a), 2 * f(*a)])),
    "is_grads_batched": slopes_at_once,
    "vmap of autograd.grad": slopes_by_vmap,
}


@doors
@pytest.mark.parametrize("way", REVERSE)
def test_a_first_derivative_in_reverse_mode_is_that_of_the_reference(name, way):
    fast, reference, _ = DOORS[name]
    assert_same_slopes(way, fast, reference, all_arguments(name))


@pytest.mark.parametrize("way", REVERSE)
@pytest.mark.parametrize(("psi", "beta"), [(True, False), (False, True), (False, False)])
def test_a_bank_that_is_not_there_has_no_gradient(way, psi, beta):
    """It is in the middle of the arguments, and the gradients behind it must not move up."""
    given = shared.attention_arguments(2, WINDOW, psi, beta)

    def of_what_is_there(function):
        return lambda *present: function(*fill(iter(present)))

    def fill(present):
        return (None if a is None else next(present) for a in given)

    fast, reference = map(of_what_is_there, DOORS["affine_attention"][:2])
    assert_same_slopes(way, fast, reference, [a.detach() for a in given if a is not None])


def second_by_autograd(f, x):
    """With a graph that `torch.func` has made, after it is done."""
    (x,), y = recorded(f, [x])
    slope, *_ = vjp(f, x)[1](y.detach())
    slope.square().sum().backward()


SECOND = {
    "grad of grad": lambda f, x: grad(lambda a: grad(loss_of(f))(a).sum())(x),
    "grad of grad of a sum": lambda f, x: grad(lambda a: grad(lambda b: f(b).sum())(a).sum())(x),
    "vjp of vjp": lambda f, x: vjp(lambda a: vjp(f, a)[1](f(x))[0], x)[1](x),
    "jacrev of jacrev": lambda f, x: jacrev(jacrev(lambda s: loss_of(f)(s * x)))(x.new_ones(())),
    "backward after vjp": second_by_autograd,
    "is_grads_batched": lambda f, x: slopes_at_once(f, [x], create_graph=True),
}


@doors
@pytest.mark.parametrize("way", SECOND)
def test_a_second_derivative_names_the_reference(name, way):
    maps, others = split_arguments(name)
    with pytest.raises(RuntimeError, match="cannot be differentiated twice.*use the reference unfold_and"):
        SECOND[way](lambda a: DOORS[name][0](a, *maps[1:], *others), maps[0])


def with_duals(f, x):
    with dual_level():
        return unpack_dual(f(make_dual(x, x))).tangent


def with_dual_upstream(f, x):
    (x,), y = recorded(f, [x])
    with dual_level():
        return unpack_dual(torch.autograd.grad(y, x, make_dual(y.detach(), y.detach()))[0]).tangent


FORWARD = {
    "jvp": lambda f, x: jvp(f, (x,), (x,)),
    "vmap of jvp": lambda f, x: vmap(lambda t: jvp(f, (x,), (t,)))(torch.stack([x, 2 * x])),
    "hessian": lambda f, x: hessian(lambda s: loss_of(f)(s * x))(x.new_ones(())),
    "linearize": lambda f, x: linearize(f, x)[1](x),
    "forward_ad": with_duals,
    "forward_ad, gradients too": lambda f, x: with_duals(f, x.detach().clone().requires_grad_()),
    "forward_ad of the upstream gradient": with_dual_upstream,
}
NO_FORWARD_MODE = "cannot be differentiated in forward mode.*Use reverse mode.*the reference unfold_and"
# torch warns about itself: `make_dual` and `linearize` do what is deprecated.
torch_may_warn = pytest.mark.filterwarnings("ignore")


@doors
@torch_may_warn
@pytest.mark.parametrize("way", FORWARD)
def test_forward_mode_names_the_reference(name, way):
    """Whichever argument has a tangent: none is lost without a word."""
    arguments = all_arguments(name)
    for i, x in enumerate(arguments):
        with pytest.raises(RuntimeError, match=NO_FORWARD_MODE):
            FORWARD[way](lambda a, i=i: DOORS[name][0](*arguments[:i], a, *arguments[i + 1 :]), x)


@doors
@torch_may_warn
@pytest.mark.parametrize("way", ["jvp", "forward_ad"])
def test_the_operator_alone_refuses_tangents(name, way):
    """It is all that is left in an exported program, and in what torch.compile sees."""
    maps, others = split_arguments(name)
    operator = getattr(torch.ops.course_lib, name).default
    with pytest.raises(RuntimeError, match=NO_FORWARD_MODE):
        FORWARD[way](lambda a: operator(a, *maps[1:], *others, *SETTINGS.get(name, ())), maps[0])


@doors
@torch_may_warn
@pytest.mark.parametrize("way", ["jvp", "forward_ad"])
def test_forward_mode_of_what_is_beside_a_kernel(name, way):
    """Tangents that the kernel does not get are none of its business."""
    arguments = all_arguments(name)
    fast, reference, _ = DOORS[name]
    got, expected = (FORWARD[way](lambda s, f=f: s * f(*arguments).sum(), torch.ones(3)) for f in (fast, reference))
    torch.testing.assert_close(got, expected)


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
