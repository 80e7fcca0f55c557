"""Both local attentions in compiled loops: right at every shape, the same every time, and eager where there is none."""

import pytest
import torch

import test_group_attention as on_group
import test_kernels as shared
from course_lib import kernels as K
from course_lib.kernels import compiled, compiled_attention
from test_compiled_kernels import in_a_new_process, threads  # noqa: F401

BOTH = ("affine_attention", "group_attention")


@pytest.fixture
def calls(monkeypatch):
    """The names of the compiled functions that were called."""
    seen = []
    for name in (f"{attention}{end}" for attention in BOTH for end in ("", "_backward")):
        function = getattr(compiled_attention, name)
        monkeypatch.setattr(compiled_attention, name, lambda *a, f=function, n=name: (seen.append(n), f(*a))[1])
    return seen


def affine(window, masked=False):
    return [shared.attend(f, window[0], masked=masked) for f in (K.affine_attention, K.unfold_and_attend)]


def both(window=(3, 6, 5), order=2, **more):
    """(fast, reference, arguments) of the two."""
    torch.manual_seed(0)
    yield *affine(window), shared.attention_arguments(order, window, **more)
    yield on_group.fast, on_group.reference, on_group.arguments(order, window, **more)


# one pixel, one row, more than one block of pixels, windows larger than the map
@pytest.mark.parametrize("window", [(1, 3, 4), (3, 1, 1), (3, 21, 30), (5, 1, 7), (7, 4, 3)], ids=str)
@pytest.mark.parametrize("order", [1, 2, 4, 8])
def test_results_and_gradients_are_those_of_the_references(order, window, calls):
    for fast, reference, given in both(window, order):
        shared.assert_same(fast, reference, given)
    assert calls == [f"{attention}{end}" for attention in BOTH for end in ("", "_backward")]


@pytest.mark.parametrize("kept", range(16))
@pytest.mark.parametrize("masked", [True, False])
def test_any_bank_may_be_left_out(kept, masked, calls):
    given = shared.attention_arguments(2, (3, 4, 5))
    banks = [bank if kept >> i & 1 else None for i, bank in enumerate(given[3:])]
    shared.assert_same(*affine((3, 4, 5), masked), [*given[:3], *banks])
    assert calls == ["affine_attention", "affine_attention_backward"]


def test_keys_and_values_may_have_other_sheets_than_the_queries():
    torch.manual_seed(0)
    query, key, value = (shared.noise(2, 4, sheets, 4, 5) for sheets in (2, 3, 1))
    banks = [shared.noise(4, 2, *sheets, 3, 3) for sheets in ((3,), (), (1,), ())]
    shared.assert_same(*affine((3, 4, 5)), [query, key, value, *banks])


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_any_number_of_threads_gives_the_same_result_every_time(count, threads):  # noqa: F811
    threads(count)
    for fast, reference, given in both(batch=1, dtype=torch.float32):
        upstream = torch.randn_like(reference(*given))
        first, *others = [(out, *torch.autograd.grad(out, given, upstream)) for out in (fast(*given) for _ in range(4))]
        assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))
        shared.assert_same(fast, reference, given, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("argument", range(3), ids=["query", "key", "value"])
def test_a_number_that_is_none_is_not_lost(argument, calls):
    for fast, reference, given in both():
        given = [tensor.detach().clone() for tensor in given]
        given[argument][0, 1, 1, 2, 3] = torch.nan
        assert torch.equal(fast(*given).isnan(), reference(*given).isnan()) and reference(*given).isnan().any()
    assert calls == list(BOTH)


def test_large_scores_and_pixels_outermost_in_memory():
    for fast, reference, (query, *others) in both():
        last = (100 * query.detach()).transpose(1, -1).contiguous().transpose(1, -1).requires_grad_()
        shared.assert_same(fast, reference, [last, *others])


def test_what_it_has_no_kernel_for_and_a_machine_without_numba_go_the_eager_way(monkeypatch, calls):
    for fast, reference, given in both():
        mixed = [given[0].detach().float(), *(a.detach() for a in given[1:])]
        torch.testing.assert_close(fast(*mixed), reference(*(a.double() for a in mixed)))
        assert fast(*(a.to("meta") for a in given)).device.type == "meta"
    monkeypatch.setattr(compiled, "is_installed", lambda: False)
    for fast, reference, given in both():
        shared.assert_same(fast, reference, given)
    assert calls == []


@pytest.mark.slow
def test_the_first_call_in_a_new_process_does_not_wait_for_a_compiler():
    program = """
import sys, time, torch, course_lib.layers
from course_lib.kernels import group_attention
given = [torch.randn(1, 2, 1, 4, 4, requires_grad=True) for _ in range(3)]
start = time.thread_time()
group_attention(*given, torch.randn(2, 1, 1, 3, 3)).sum().backward()
print([name for name in ("numba", "torch._dynamo") if name in sys.modules], time.thread_time() - start < 0.5)
"""
    in_a_new_process(program)
    done = in_a_new_process(program)
    assert done.stdout == "[] True\n", done.stderr
