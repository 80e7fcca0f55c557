"""The benchmark: what it counts, whom it compares, what it leaves out, and that every case can run."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from course_lib import bench
from course_lib.bench import attention_cases, conv_cases, measuring, report, separable_cases, store, suites
from course_lib.bench.case import Bar, Case, Contender
from course_lib.groups import C1, C4, D4

CPU = torch.device("cpu")


def conv_case(**changes):
    """Two convolutions on a map of 1·3·6·6 values: the second computes everything three times."""

    class Thrice(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) + super().forward(x) + super().forward(x)

    contenders = (
        Contender("once", lambda: nn.Conv2d(3, 4, 3)),
        Contender("thrice", lambda: Thrice(3, 4, 3)),
        Contender("absent", nn.Identity, needs="no_such_package"),
    )
    options = {"inputs": lambda: (torch.randn(32, 3, 32, 32),), "bars": (Bar("speed", "once", "thrice", 1.5),)}
    return Case(**{"name": "convolution", "contenders": contenders} | options | changes)


def test_bytes_saved_counts_each_storage_once_and_no_parameters():
    x, w = torch.randn(5, 4, requires_grad=True), nn.Parameter(torch.randn(4, 4))
    assert measuring.bytes_saved(lambda: x @ w, [w]) == 5 * 4 * 4
    assert measuring.bytes_saved(lambda: (x @ w) * x.view(20).view(5, 4), [w]) == 2 * 5 * 4 * 4  # x, and x @ w
    assert measuring.bytes_saved(lambda: (x @ w).sum(), []) == (20 + 16) * 4
    assert measuring.bytes_saved(lambda: x.view(20)[:4].exp().sum(), [w]) == 4 * 4


def test_peak_memory_is_what_is_held_at_once():
    x = torch.randn(1000, 250)
    both, one = lambda: (x + 1, x + 2), lambda: [(x + i).sum().item() for i in range(5)]
    assert measuring.peak_bytes(both, CPU) == pytest.approx(2_000_000, abs=1000)
    assert measuring.peak_bytes(one, CPU) == pytest.approx(1_000_000, abs=1000)


def test_contenders_take_turns_and_nobody_always_goes_first():
    calls = []
    works = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = measuring.interleaved(works, CPU, seconds=0)
    turns = "".join(name for name, before in zip(calls, [None, *calls], strict=False) if name != before)
    assert turns == "abc" + "abc" + "abc" + "bcacababc" + "bca"  # to warm up, to see how quick they are, five rounds
    assert {len(values) for values in times.values()} == {5}
    assert all(seconds > 0 for values in times.values() for seconds in values)


def test_a_ratio_is_taken_within_rounds():
    """A machine that gets three times slower half-way leaves the ratio as it is."""
    slowing = [1.0, 1.0, 1.0, 3.0, 3.0]
    ours, against = measuring.Measurement([2 * s for s in slowing]), measuring.Measurement(slowing)
    assert measuring.paired_ratio(ours, against) == 2
    assert measuring.paired_ratio(against, ours) == 0.5


def test_training_and_inference_are_what_they_say():
    case = conv_case()
    runner = measuring.Runner(case, case.contenders[0], "train", CPU)
    runner()
    assert runner.layer.training and runner.layer.weight.grad is not None and runner.inputs[0].grad is not None
    first = runner.layer.weight.grad.clone()
    runner()
    assert torch.equal(runner.layer.weight.grad, first)  # gradients do not add up over the rounds
    images = conv_case(input_gradients=False)
    runner = measuring.Runner(images, case.contenders[0], "train", CPU)
    runner()
    assert runner.inputs[0].grad is None and runner.layer.weight.grad is not None
    assert not measuring.Runner(case, case.contenders[0], "eval", CPU).layer.training


def test_more_work_takes_longer_and_what_is_missing_is_said():
    case = conv_case()
    result = report.case_result(case, "train", measuring.measure(case, "train", CPU, seconds=0.2))
    assert result["contenders"].keys() == {"once", "thrice"}
    assert result["left_out"] == {"absent": "no_such_package is not installed"}
    (bar,) = result["bars"]
    assert bar["holds"] and 1.5 < bar["value"] < 6
    assert result["contenders"]["once"]["saved_MB"] == 32 * 3 * 32 * 32 * 4 / 1e6
    assert "left out: no_such_package is not installed" in report.markdown([result])


@pytest.mark.parametrize(
    "bar, value, holds",
    [
        (Bar("time", "a", "b", 1.05), 2.0, False),
        (Bar("time", "b", "a", 1.05), 0.5, True),
        (Bar("speed", "b", "a", 1.5), 2.0, True),
        (Bar("speed", "b", "a", 2.5), 2.0, False),
        (Bar("saved", "b", "a", 0.2), 0.25, False),
        (Bar("seconds", "a", "", 3), 4.0, False),
        (Bar("time", "a", "left out", 1), None, None),
    ],
)
def test_bars(bar, value, holds):
    found = {"a": measuring.Measurement([4.0], 40), "b": measuring.Measurement([2.0], 10)}
    result = report.bar_result(bar, found)
    assert result["value"] == value and result["holds"] is holds


def test_a_case_refuses_bars_and_outputs_that_do_not_fit():
    with pytest.raises(ValueError, match="names 'nobody'; contenders are"):
        conv_case(bars=(Bar("time", "once", "nobody", 1.0),))
    with pytest.raises(ValueError, match="is for mode 'call'"):
        conv_case(bars=(Bar("time", "once", "thrice", 1.0, "call"),))
    pads = Case("pads", (Contender("a", lambda: nn.ZeroPad2d(1)), Contender("b", nn.Identity)), conv_case().inputs)
    with pytest.raises(ValueError, match="pads: all contenders must put out one shape"):
        measuring.measure(pads, "eval", CPU, seconds=0)


def test_every_contender_can_be_built():
    cases = [case for name in ("layers", "networks") for case in suites.SUITES[name]()]
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert all(callable(contender.build()) for contender in case.contenders if not contender.missing)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("case", [conv_cases.case(C4, 2, 6, 2, 3, 1.05, 1.05), separable_cases.case(D4, 2, 5, 2, 6.0)])
def test_cases_on_small_maps(case, mode):
    result = report.case_result(case, mode, measuring.measure(case, mode, CPU, seconds=0))
    assert len(result["contenders"]) + len(result["left_out"]) == len(case.contenders)
    assert all(m["median_ms"] > 0 for m in result["contenders"].values())


def test_attention_of_pytorch_with_a_mask_is_ours_without_positions():
    case = attention_cases.group_case(C1, 4, 5, 2, 3, 2, 1)
    inputs = case.inputs()
    outputs = [contender.build()(*inputs) for contender in case.contenders]
    assert len(outputs) == 3
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0])


def test_the_notebooks_suite_has_every_notebook_and_a_limit():
    cases = suites.SUITES["notebooks"]()
    assert any(case.name == "notebook 04_group_convolution" for case in cases)
    assert all(case.modes == ("call",) and case.bars[0].limit == 120 for case in cases)


def test_the_command_prints_a_table_and_stores_its_provenance(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(suites.SUITES, "layers", lambda: [conv_case()])
    arguments = ["--seconds", "0.1", "--threads", str(torch.get_num_threads()), "--results", str(tmp_path)]
    assert bench.main([*arguments, "--only", "convolution"]) == 0
    assert not list(tmp_path.iterdir())
    assert bench.main(arguments) == 0
    assert "| convolution | train | once |" in capsys.readouterr().out
    (file,) = tmp_path.iterdir()
    stored = json.loads(file.read_text())
    assert stored["provenance"]["versions"]["torch"] == torch.__version__
    assert stored["provenance"]["hardware"]["threads"] == torch.get_num_threads()
    assert [case["mode"] for case in stored["cases"]] == ["train", "eval"]
    monkeypatch.setitem(suites.SUITES, "layers", lambda: [conv_case(bars=(Bar("time", "thrice", "once", 0.1),))])
    assert bench.main([*arguments, "--only", "convolution"]) == 1
    with pytest.raises(SystemExit):
        bench.main(["--only", "no such case"])
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no device 'cuda' here"):
            bench.main(["--device", "cuda"])


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """In an empty folder and a clean checkout: what is measured, by case and mode. Ctrl-C comes at the fourth."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(suites.SUITES, "layers", lambda: [conv_case(), conv_case(name="another")])
    commit(monkeypatch, "abc", [])
    turns = []

    def measure(case, mode, *rest):
        turns.append((case.name, mode))
        if len(turns) == 4:
            raise KeyboardInterrupt
        return measuring.measure(case, mode, *rest)

    monkeypatch.setattr(bench, "measure", measure)
    return turns


def commit(monkeypatch, name, changes):
    code = {"commit": name, "uncommitted_changes": changes}
    monkeypatch.setattr(store, "provenance", lambda device: report.provenance(device) | code)


ALL = [("convolution", "train"), ("convolution", "eval"), ("another", "train"), ("another", "eval")]


def test_a_stopped_benchmark_goes_on_after_its_last_case(measured, capsys):
    assert bench.main(["--seconds", "0.01"]) == 75 and measured == ALL
    (file,) = Path(
        "results", "bench"
    ).iterdir()  # by default not where the stored measurements are; nothing half written
    threads = torch.get_num_threads()
    assert file.name == f"layers_cpu_{threads}_thread{'s' * (threads > 1)}.json"
    assert [(r["case"], r["mode"]) for r in json.loads(file.read_text())["cases"]] == ALL[:3]
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"stopped after 3 of 4; they are in {file}, and the same command goes on"
    assert re.fullmatch(r"    once [\d.]+ ms, thrice [\d.]+ times as long", said[1])
    first = json.loads(file.read_text())
    assert bench.main(["--seconds", "0.01"]) in (0, 1) and measured[4:] == ALL[3:]
    whole = json.loads(file.read_text())
    assert whole["cases"][:3] == first["cases"] and whole["provenance"] == first["provenance"]
    assert bench.main(["--seconds", "0.01"]) in (0, 1) and not measured[5:]
    assert "| another | eval | thrice |" in capsys.readouterr().out  # of what is stored, the tables are printed again


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: commit(patch, "abd", []),
        lambda patch: commit(patch, "abc", [" M layers/conv.py"]),
        lambda patch: commit(patch, None, None),
        lambda patch: patch.setattr(report.os, "cpu_count", lambda: 99),
        lambda patch: patch.setenv("OMP_WAIT_POLICY", "active"),
        lambda patch: next(Path("results", "bench").iterdir()).write_text('{"suite": "lay'),
        lambda patch: next(Path("results", "bench").iterdir()).unlink(),
    ],
    ids=["commit", "uncommitted", "no checkout", "machine", "settings", "half a file", "no file"],
)
def test_it_begins_anew_where_anything_else_was_measured(change, measured, monkeypatch):
    assert bench.main(["--seconds", "0.01"]) == 75
    change(monkeypatch)
    assert bench.main(["--seconds", "0.01"]) in (0, 1) and measured[4:] == ALL


def test_it_begins_anew_with_other_seconds(measured):
    assert bench.main(["--seconds", "0.01"]) == 75
    assert bench.main(["--seconds", "0.02"]) in (0, 1) and measured[4:] == ALL


def test_only_some_cases_store_nothing(measured, capsys):
    assert bench.main(["--seconds", "0.01", "--only", "convolution"]) in (0, 1) and measured == ALL[:2]
    assert bench.main(["--seconds", "0.01", "--only", "another"]) == 75
    assert capsys.readouterr().err.splitlines()[-1] == "stopped after 1 of 2; --only stores nothing"
    assert not Path("results").exists()
