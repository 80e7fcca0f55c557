"""The fast kernel of self-attention on the group against its reference: values, gradients, memory, types."""

import pytest
import torch
from torch.autograd import gradcheck

import test_kernels as shared
from course_lib import kernels as K
from course_lib.kernels import lines

windows = pytest.mark.parametrize("window", [(1, 3, 4), (3, 4, 5), (5, 7, 6), (5, 1, 2)], ids=str)
orders = pytest.mark.parametrize("order", [1, 2, 4])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """One image at a time, so that every test with a batch crosses the border between two chunks."""
    torch.manual_seed(0)
    monkeypatch.setattr(lines, "CHUNK", 1)


def arguments(order, window, batch=2, dtype=torch.float64):
    k, *size = window
    maps = [(batch, channels, order, *size) for channels in (4, 4, 6)]
    return [torch.randn(*s, dtype=dtype, requires_grad=True) for s in (*maps, (4, order, order, k, k))]


def fast(*given):
    return K.group_attention(*given, heads=2)


def reference(*given):
    return K.unfold_and_attend_on_group(*given, heads=2)


@orders
@windows
def test_it_is_its_definition(order, window):
    shared.assert_same(fast, reference, arguments(order, window))


@pytest.mark.parametrize("chunk", [1, 900, 1 << 20])
def test_the_size_of_the_chunks_does_not_matter(chunk, monkeypatch):
    monkeypatch.setattr(lines, "CHUNK", chunk)
    for batch in (0, 5):
        shared.assert_same(fast, reference, arguments(2, (3, 4, 5), batch))


def test_arguments_may_be_strided():
    given = [shared.strided(a) for a in arguments(2, (3, 4, 5))]
    assert not any(a.is_contiguous() for a in given)
    shared.assert_same(fast, reference, given)


@orders
def test_gradcheck(order):
    assert gradcheck(fast, arguments(order, (3, 3, 2)), fast_mode=True)


def test_a_second_derivative_is_refused_and_the_reference_has_one():
    given = arguments(1, (3, 2, 2))
    with pytest.raises(RuntimeError, match="cannot be differentiated twice.*unfold_and_attend_on_group"):
        torch.autograd.grad(fast(*given).sum(), given, create_graph=True)
    (slope, *_) = torch.autograd.grad(reference(*given).square().sum(), given, create_graph=True)
    slope.sum().backward()


def test_only_the_arguments_are_kept():
    given = arguments(4, (5, 8, 8))
    assert shared.saved_floats(fast, given) == sum(a.numel() for a in given)
    assert shared.saved_floats(reference, given) > 10 * shared.saved_floats(fast, given)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_in_and_out_sums_in_32(dtype):
    short = [a.detach().to(dtype).requires_grad_() for a in arguments(2, (5, 6, 6))]
    got, expected = fast(*short), fast(*[a.detach().double() for a in short])
    assert got.dtype == dtype
    torch.testing.assert_close(got, expected.to(dtype))
    got.sum().backward()
    assert all(a.grad.dtype == dtype and a.grad.isfinite().all() for a in short)


def test_it_compiles_without_a_break():
    torch.compiler.reset()
    shared.assert_same(torch.compile(fast, backend="aot_eager", fullgraph=True), fast, arguments(2, (3, 4, 3)))
