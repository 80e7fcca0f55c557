"""The kernels that Numba compiles: right at every shape, the same every time, and nowhere when Numba is missing."""

import os
import subprocess
import sys
import threading

import pytest
import torch

import test_kernels as shared
from course_lib import kernels as K
from course_lib.kernels import compiled, compiled_e4, loops_e4, machine_code, tiles

E4 = (K.generate_and_aggregate, shared.generate_unfold_and_sum)


@pytest.fixture
def threads():
    """A way to set how many threads torch uses, which is taken back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def calls(monkeypatch):
    """The names of the compiled functions that were called."""
    seen = []
    for name in ("generate_and_aggregate", "generate_and_aggregate_backward"):
        function = getattr(compiled_e4, name)
        monkeypatch.setattr(compiled_e4, name, lambda *a, f=function, n=name: (seen.append(n), f(*a))[1])
    return seen


def in_a_new_process(program):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=100)


def arguments(slices=2, share=2, hidden=3, order=4, window=(3, 6, 5), batch=3, dtype=torch.float64):
    k, *size = window
    torch.manual_seed(0)
    shapes = (batch, hidden, order, *size), (batch, slices * share, order, *size)
    return [
        torch.randn(*s, dtype=dtype, requires_grad=True)
        for s in (*shapes, (slices, order, hidden, k, k), (slices, order, k, k))
    ]


@pytest.mark.parametrize("share", [1, 2, 3, 8])
@pytest.mark.parametrize("hidden", [1, 2, 5])
@pytest.mark.parametrize("window", [(1, 3, 4), (3, 1, 1), (3, 40, 30), (5, 2, 7), (7, 9, 8)], ids=str)
def test_results_and_gradients_are_those_of_the_reference(share, hidden, window, calls):
    shared.assert_same(*E4, arguments(2, share, hidden, window=window))
    assert calls == ["generate_and_aggregate", "generate_and_aggregate_backward"]


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_any_number_of_threads_gives_the_same_result_every_time(count, threads):
    threads(count)
    given = arguments(batch=5, dtype=torch.float32)
    upstream = torch.randn_like(given[1])
    first, *others = [
        (out, *torch.autograd.grad(out, given, upstream))
        for out in (K.generate_and_aggregate(*given) for _ in range(4))
    ]
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))
    shared.assert_same(*E4, given, rtol=1e-4, atol=1e-4)


def test_maps_with_their_pixels_outermost_in_memory_stay_so():
    hidden, values, *banks = arguments()
    maps = [a.detach().transpose(1, -1).contiguous().transpose(1, -1).requires_grad_() for a in (hidden, values)]
    assert not maps[1].is_contiguous()
    shared.assert_same(*E4, [*maps, *banks])
    assert K.generate_and_aggregate(*maps, *banks).stride() == maps[1].stride()


def test_many_threads_may_call_it_at_once(threads):
    threads(2)
    given = [a.detach() for a in arguments(batch=6)]
    expected, found = shared.generate_unfold_and_sum(*given), []
    callers = [threading.Thread(target=lambda: found.append(K.generate_and_aggregate(*given))) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 6
    for out in found:
        torch.testing.assert_close(out, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_it_works_in_a_fork_of_a_process_that_has_used_it():
    program = """
import os, torch
from course_lib.kernels import generate_and_aggregate
torch.set_num_threads(2)
given = [torch.randn(s) for s in ((4, 2, 1, 5, 5), (4, 2, 1, 5, 5), (1, 1, 2, 3, 3), (1, 1, 3, 3))]
before = generate_and_aggregate(*given)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(generate_and_aggregate(*given), before) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = in_a_new_process(program)
    assert done.stdout == "0\n", done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda a: [x.to(torch.bfloat16) for x in a],
        lambda a: [a[0].float(), *a[1:]],
        lambda a: [x[:0] if i < 2 else x for i, x in enumerate(a)],
        lambda a: [x.to("meta") for x in a],
    ],
    ids=["16 bits", "mixed types", "no image", "another device"],
)
def test_what_it_has_no_kernel_for_goes_the_eager_way(change, calls):
    given = [a.detach() for a in change(arguments())]
    assert not compiled.can_run(*given)
    assert K.generate_and_aggregate(*given).shape == given[1].shape
    assert calls == []


def test_without_numba_the_eager_kernel_gives_the_same(monkeypatch, calls):
    given = arguments()
    fast = K.generate_and_aggregate(*given)
    monkeypatch.setattr(compiled, "is_installed", lambda: False)
    calls.clear()
    torch.testing.assert_close(K.generate_and_aggregate(*given), fast)
    shared.assert_same(*E4, given)
    assert calls == []
    torch.testing.assert_close(tiles.generate_and_aggregate(*(a.detach() for a in given)), fast.detach())


@pytest.mark.slow
def test_kernels_come_from_the_disk_without_numba_and_within_a_moment():
    """Numba alone would need more than a second, in each new process."""
    program = """
import sys, time, torch, course_lib.layers
given = [torch.randn(s, requires_grad=True) for s in ((2, 2, 1, 5, 5), (2, 2, 1, 5, 5), (1, 1, 2, 3, 3), (1, 1, 3, 3))]
assert "llvmlite" not in sys.modules
start = time.thread_time()
course_lib.kernels.generate_and_aggregate(*given).sum().backward()
print("numba" in sys.modules, "llvmlite" in sys.modules, time.thread_time() - start < 0.5)
"""
    in_a_new_process(program)
    done = in_a_new_process(program)
    assert done.stdout == "False True True\n", done.stderr


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty folder for machine code, and nothing loaded yet."""
    monkeypatch.setattr(machine_code, "FOLDER", tmp_path / "code")
    machine_code._loaded.cache_clear()
    yield tmp_path / "code"
    machine_code._loaded.cache_clear()


def test_machine_code_is_kept_for_its_source_and_processor(folder, monkeypatch):
    given = [a.detach() for a in arguments()]
    out = K.generate_and_aggregate(*given)
    (file,) = folder.iterdir()
    monkeypatch.setattr(machine_code, "_compiled", lambda *_: pytest.fail("it is there already"))
    machine_code._loaded.cache_clear()
    assert torch.equal(K.generate_and_aggregate(*given), out)
    kept = file.read_bytes()
    monkeypatch.setattr(machine_code, "_compiled", lambda *_: kept)
    monkeypatch.setattr(machine_code, "version", lambda package: "another")
    machine_code._loaded.cache_clear()
    assert torch.equal(K.generate_and_aggregate(*given), out)
    assert len(list(folder.iterdir())) == 2  # one for each version of Numba


def test_a_package_that_must_not_be_written_to_is_compiled_in_memory(folder):
    folder.write_text("a file where a folder is wanted")
    given = [a.detach() for a in arguments()]
    torch.testing.assert_close(K.generate_and_aggregate(*given), shared.generate_unfold_and_sum(*given))


def test_loops_that_may_fail_are_refused(monkeypatch):
    """What Numba would do after a failure is not there where the code is loaded."""

    def may_fail(maps, table, first, last):
        for i in range(0, table[0], last):  # a step of zero is an error
            maps[i] = first

    monkeypatch.setattr(loops_e4, "may_fail", may_fail, raising=False)
    with pytest.raises(RuntimeError, match="the loops of loops_e4.may_fail may fail or take memory of their own"):
        machine_code._compiled("loops_e4", "may_fail", torch.float32, 1)
