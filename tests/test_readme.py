"""What the README, and the page of details behind it, tell people to type works as it stands."""

import re
from pathlib import Path

from course_lib.reports.comparison import errors_of, order, trained_alike
from course_lib.reports.results import results_folder
from course_lib.training.result_files import read_results

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DETAILS = (ROOT / "course_lib" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README + DETAILS, re.DOTALL)


def test_the_examples_run_one_after_the_other(capsys):
    names = {}
    for example in EXAMPLES:
        exec(example.replace("epochs=30", "epochs=1"), names)
    printed = capsys.readouterr().out
    assert "torch.Size([8, 32, 64, 64])" in printed and "an ordinary convolution" in printed
    assert 0.1 < float(printed.split()[-1]) < 1  # better than chance after one epoch


def test_the_front_page_leads_to_the_details_and_fits_on_a_few_screens():
    assert "(course_lib/README.md)" in README and len(README.splitlines()) < 150


def test_two_commands_do_all_the_set_up():
    commands = re.findall(r"^python -m pip install uv && python -m uv run (.*)$", README, re.MULTILINE)
    assert commands == ["jupyter lab notebooks/00_start_here.ipynb", "pytest"]


def test_files_that_are_named_exist():
    for path in re.findall(r"\((notebooks/[\w./-]+)\)|`([\w.]+/[\w./*-]+\.\w+)`", README + DETAILS):
        assert list(ROOT.glob(next(filter(None, path)))), path


def test_the_errors_are_those_of_the_results():
    found = (ROOT / "data" / "results" / "README.md").read_text(encoding="utf-8").splitlines()
    study = trained_alike(
        read_results(results_folder()), "rotated mnist-27k (rebuilt, seed 0)", shorten=20, validation=2000
    )
    told = re.findall(r"^\| `([\w-]+)` \| .* \| (\d+) \| ([\d,]+) \| (.+) \| (.+) \|$", README, re.MULTILINE)
    assert len(told) == 5
    for key, epochs, parameters, published, ours in told:
        figures = rf"{re.escape(published)} \| {re.escape(ours)}"
        here = re.compile(rf"\| `{key}` \| .* \| {figures} \| .*shorten 20; .*[ |]{parameters} \|")
        assert any(map(here.fullmatch, found)), f"{key}: {ours} is not what data/results/README.md says"
        assert {run["config"]["epochs"] for run in study[key]} == {int(epochs)}
    (full,) = trained_alike(read_results(results_folder()), "rotated mnist-27k (rebuilt, seed 0)", validation=2000)[
        "p4cnn"
    ]
    in_full = (
        f"{full['config']['epochs']} epochs on one CPU core, reaches {errors_of([full])[0]:.2f} % test error (one seed"
    )
    assert in_full in README
    found_order = order("p4cnn", "z2cnn", errors_of(study["p4cnn"]), errors_of(study["z2cnn"]))
    assert f"(permutation test, p = {found_order.p:.3f})" in README and found_order.verdict == "as published"
