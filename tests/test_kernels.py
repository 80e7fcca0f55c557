"""The fast kernels: equal to the readable references, their gradients right, and little kept for backward."""

import pytest
import torch
from torch.autograd import gradcheck

from course_lib import kernels as K
from course_lib import layers as L
from course_lib.groups import C4
from course_lib.kernels import lines

orders = pytest.mark.parametrize("order", [1, 2, 4, 8])
# k, Y, X: odd, even, not square, one pixel, k larger than the map, k = 1
windows = pytest.mark.parametrize("window", [(3, 5, 4), (5, 3, 6), (3, 1, 1), (7, 2, 3), (5, 4, 1), (1, 3, 2)], ids=str)


def noise(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


def e4_arguments(order, window, batch=2, dtype=torch.float64):
    k, *size = window
    hidden, values = noise(batch, 3, order, *size, dtype=dtype), noise(batch, 4, order, *size, dtype=dtype)
    return hidden, values, noise(2, order, 3, k, k, dtype=dtype), noise(2, order, k, k, dtype=dtype)


def kernels_and_values(order, window, batch=2, dtype=torch.float64):
    k, *size = window
    return noise(batch, 2, order, k * k, *size, dtype=dtype), noise(batch, 4, order, *size, dtype=dtype)


def generate_unfold_and_sum(hidden, values, weight, bias):
    return K.unfold_and_sum(K.generate_kernels(hidden, weight, bias), values)


def attention_arguments(order, window, psi=True, beta=True, batch=2, dtype=torch.float64):
    """Query, key, value, and four banks or None; the value has other channels than the key."""
    k, *size = window
    maps = [noise(batch, channels, order, *size, dtype=dtype) for channels in (4, 4, 6)]
    banks = [
        bank
        for channels in (4, 6)
        for bank in (
            noise(channels, order, order, k, k, dtype=dtype) if psi else None,
            noise(channels, order, k, k, dtype=dtype) if beta else None,
        )
    ]
    return [*maps, *banks]


def attend(function, k, heads=2, masked=False):
    return lambda q, key, v, *banks: function(q, key, v, tuple(banks[:2]), tuple(banks[2:]), k, heads, masked)


def assert_same(fast, reference, arguments, rtol=None, atol=None):
    """Results and the gradients of every argument agree, in shape and type too."""
    got, expected = fast(*arguments), reference(*arguments)
    torch.testing.assert_close(got, expected, rtol=rtol, atol=atol)
    given = [a for a in arguments if a is not None]
    upstream = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(got, given, upstream), torch.autograd.grad(expected, given, upstream), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """One image at a time, so that every test with a batch crosses the border between two chunks."""
    torch.manual_seed(0)
    monkeypatch.setattr(lines, "CHUNK", 1)


# --- against the references ------------------------------------------------------------------------------------------


@orders
@windows
def test_aggregate_is_unfold_and_sum(order, window):
    assert_same(K.aggregate, K.unfold_and_sum, kernels_and_values(order, window))


@orders
@windows
def test_generate_and_aggregate_is_its_two_steps(order, window):
    assert_same(K.generate_and_aggregate, generate_unfold_and_sum, e4_arguments(order, window))


@orders
@windows
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_unfold_and_attend(order, window, masked):
    arguments = attention_arguments(order, window)
    k = window[0]
    assert_same(attend(K.affine_attention, k, masked=masked), attend(K.unfold_and_attend, k, masked=masked), arguments)


@pytest.mark.parametrize("order", [1, 4])
@pytest.mark.parametrize(("psi", "beta"), [(False, True), (True, False), (False, False)])
def test_attention_without_a_bank(order, psi, beta):
    arguments = attention_arguments(order, (3, 4, 5), psi, beta)
    assert_same(attend(K.affine_attention, 3), attend(K.unfold_and_attend, 3), arguments)


def test_float32_agrees_to_its_precision():
    arguments = e4_arguments(4, (5, 9, 8), dtype=torch.float32)
    assert_same(K.generate_and_aggregate, generate_unfold_and_sum, arguments, rtol=1e-4, atol=1e-4)
    arguments = attention_arguments(4, (5, 9, 8), dtype=torch.float32)
    assert_same(attend(K.affine_attention, 5), attend(K.unfold_and_attend, 5), arguments, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 500, 1 << 20])
def test_the_size_of_the_chunks_does_not_matter(chunk, monkeypatch):
    monkeypatch.setattr(lines, "CHUNK", chunk)
    assert_same(K.generate_and_aggregate, generate_unfold_and_sum, e4_arguments(4, (3, 4, 5), batch=5))
    assert_same(
        attend(K.affine_attention, 3), attend(K.unfold_and_attend, 3), attention_arguments(4, (3, 4, 5), batch=5)
    )


def test_an_empty_batch():
    assert_same(K.generate_and_aggregate, generate_unfold_and_sum, e4_arguments(4, (3, 4, 5), batch=0))
    assert_same(K.aggregate, K.unfold_and_sum, kernels_and_values(4, (3, 4, 5), batch=0))
    assert_same(
        attend(K.affine_attention, 3), attend(K.unfold_and_attend, 3), attention_arguments(4, (3, 4, 5), batch=0)
    )


def strided(t):
    """The same numbers, laid out backwards in memory with gaps."""
    if t is None:
        return None
    axes = tuple(reversed(range(t.ndim)))
    return t.detach().permute(axes).repeat_interleave(2, dim=-1)[..., ::2].permute(axes).requires_grad_()


@pytest.mark.parametrize("window", [(3, 4, 5), (1, 4, 5)], ids=str)
def test_arguments_may_be_strided(window):
    assert_same(K.aggregate, K.unfold_and_sum, [strided(a) for a in kernels_and_values(4, window)])
    assert_same(K.generate_and_aggregate, generate_unfold_and_sum, [strided(a) for a in e4_arguments(4, window)])
    k = window[0]
    arguments = [strided(a) for a in attention_arguments(4, window)]
    assert_same(attend(K.affine_attention, k), attend(K.unfold_and_attend, k), arguments)


def test_arguments_are_left_as_they_are():
    """With k = 1 nothing is padded, so a buffer could be the argument itself."""
    for window in [(1, 3, 4), (3, 3, 4)]:
        for function, arguments in [
            (K.aggregate, kernels_and_values(2, window)),
            (K.generate_and_aggregate, e4_arguments(2, window)),
            (attend(K.affine_attention, window[0], masked=True), attention_arguments(2, window)),
        ]:
            before = [a.detach().clone() for a in arguments]
            function(*arguments).square().sum().backward()
            assert all(torch.equal(a, b) for a, b in zip(arguments, before, strict=True))


# --- gradients -------------------------------------------------------------------------------------------------------


@orders
def test_gradcheck_of_aggregation(order):
    assert gradcheck(K.aggregate, kernels_and_values(order, (3, 3, 2)), fast_mode=True)
    assert gradcheck(K.generate_and_aggregate, e4_arguments(order, (3, 3, 2)), fast_mode=True)


@orders
@pytest.mark.parametrize("psi", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_gradcheck_of_attention(order, psi, masked):
    arguments = attention_arguments(order, (3, 3, 2), psi=psi)
    assert gradcheck(attend(K.affine_attention, 3, masked=masked), arguments, fast_mode=True)


def test_a_second_derivative_is_refused():
    """Also where the upstream gradient is a constant, and the second derivative would be lost without a word."""
    for function, arguments in [
        (K.aggregate, kernels_and_values(1, (3, 2, 2))),
        (K.generate_and_aggregate, e4_arguments(1, (3, 2, 2))),
        (attend(K.affine_attention, 3), attention_arguments(1, (3, 2, 2))),
    ]:
        for loss in (torch.sum, lambda y: y.square().sum()):
            with pytest.raises(RuntimeError, match="cannot be differentiated twice.*use the reference unfold_and"):
                torch.autograd.grad(loss(function(*arguments)), arguments, create_graph=True)


def test_one_bank_may_serve_key_and_value():
    f, psi, beta = noise(2, 4, 4, 4, 5), noise(4, 4, 4, 3, 3), noise(4, 4, 3, 3)

    def simple(function):
        return lambda f, psi, beta: function(f, f, f, (psi, beta), (psi, beta), 3, 2)

    assert_same(simple(K.affine_attention), simple(K.unfold_and_attend), [f, psi, beta])


# --- memory ----------------------------------------------------------------------------------------------------------


def saved_floats(function, arguments):
    """The numbers in all memory that backward keeps."""
    kept = {}

    def pack(t):
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes() // t.element_size()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        function(*arguments)
    return sum(kept.values())


def test_only_the_arguments_are_kept():
    for fast, reference, arguments in [
        (K.aggregate, K.unfold_and_sum, kernels_and_values(4, (5, 8, 8))),
        (K.generate_and_aggregate, generate_unfold_and_sum, e4_arguments(4, (5, 8, 8))),
        (attend(K.affine_attention, 5), attend(K.unfold_and_attend, 5), attention_arguments(4, (5, 8, 8))),
    ]:
        assert saved_floats(fast, arguments) == sum(a.numel() for a in arguments)
        assert saved_floats(reference, arguments) > 1.5 * saved_floats(fast, arguments)


# --- types and compilation -------------------------------------------------------------------------------------------


def test_autocast_gives_the_type_and_nearly_the_numbers_of_the_reference():
    x = torch.randn(2, 4, 4, 6, 5)
    attentions = (kind(C4, 4, 4, 3, heads=2) for kind in (L.AffineSelfConv2d, L.GroupSelfAttention2d))
    for layer in (L.E4Layer(C4, 4, 4, 3, slices=2), *attentions):
        exact = layer(x)
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)
            y.float().square().mean().backward()
        assert (y - exact).abs().max() < 0.05 * exact.abs().max()
        assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in layer.parameters())


def test_autocast_does_not_round_inside():
    with torch.autocast("cpu", torch.bfloat16):
        arguments = e4_arguments(2, (3, 4, 5), dtype=torch.float32)
        got = K.generate_and_aggregate(*arguments)
    torch.testing.assert_close(got, generate_unfold_and_sum(*arguments))
    with torch.autocast("cpu", torch.bfloat16):
        arguments = attention_arguments(2, (3, 4, 5), dtype=torch.float32)
        got = attend(K.affine_attention, 3)(*arguments)
    torch.testing.assert_close(got, attend(K.unfold_and_attend, 3)(*arguments))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_in_and_out_sums_in_32(dtype):
    for function, arguments in [
        (K.aggregate, kernels_and_values(2, (5, 6, 6))),
        (K.generate_and_aggregate, e4_arguments(2, (5, 6, 6))),
        (attend(K.affine_attention, 5), attention_arguments(2, (5, 6, 6))),
    ]:
        short = [a.detach().to(dtype).requires_grad_() for a in arguments]
        got, expected = function(*short), function(*[a.detach().double() for a in short])
        assert got.dtype == dtype
        torch.testing.assert_close(got, expected.to(dtype))
        got.sum().backward()
        assert all(a.grad.dtype == dtype and a.grad.isfinite().all() for a in short)


@pytest.mark.parametrize("kernel", ["generate_and_aggregate", "affine_attention"])
def test_it_compiles_without_a_break(kernel):
    function, arguments = {
        "generate_and_aggregate": (K.generate_and_aggregate, e4_arguments(2, (3, 4, 3))),
        "affine_attention": (attend(K.affine_attention, 3, masked=True), attention_arguments(2, (3, 4, 3))),
    }[kernel]
    torch.compiler.reset()
    assert_same(torch.compile(function, backend="aot_eager", fullgraph=True), function, arguments)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "shape", "message"),
    [
        (0, (3, 3, 4, 5, 4), r"hidden has shape \(3, 3, 4, 5, 4\), but \(2, any, 4, 5, 4\)"),
        (2, (2, 2, 3, 3, 3), "weight has shape"),
        (3, (2, 4, 5, 5), "bias has shape"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(which, shape, message):
    arguments = list(e4_arguments(4, (3, 5, 4)))
    arguments[which] = noise(*shape)
    with pytest.raises(ValueError, match=message):
        K.generate_and_aggregate(*arguments)


def test_kernels_that_do_not_fit_are_refused():
    kernels, values = kernels_and_values(4, (3, 5, 4))
    with pytest.raises(ValueError, match="kernels has shape"):
        K.aggregate(kernels[:1], values)
    with pytest.raises(ValueError, match="2 slices cannot share 3 channels evenly"):
        K.aggregate(kernels, values[:, :3])
    with pytest.raises(ValueError, match="k² = 8"):
        K.aggregate(kernels[:, :, :, :8], values)
