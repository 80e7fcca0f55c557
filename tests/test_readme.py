"""What the README, and the page of details behind it, tell people to type works as it stands."""

import re
from pathlib import Path
from statistics import fmean, stdev

from course_lib.experiments import LAPTOP, find
from course_lib.reports.comparison import compared, errors_of, trained_alike
from course_lib.reports.results import results_folder
from course_lib.training.result_files import read_results

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DETAILS = (ROOT / "course_lib" / "README.md").read_text(encoding="utf-8")
DATA = "rotated mnist-27k (rebuilt, seed 0)"
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


ROWS = {
    "z2cnn": "ordinary convolution",
    "p4cnn": "group convolution on p4",
    "g-p4cnn-17": "g-separable group convolution on p4",
    "gc-p4cnn-30": "gc-separable group convolution on p4",
    "e4net": "E4 layers on p4",
}
EPOCHS = 16


def test_the_table_is_what_the_results_say():
    runs = trained_alike(read_results(results_folder()), DATA, LAPTOP["rotated-mnist"], epochs=EPOCHS)
    lines = []
    for key, words in ROWS.items():
        row, errors = find(key), errors_of(runs.get(key, ()))
        spread = f" ± {stdev(errors):.2f}" if len(errors) > 1 else ""
        ours = f"{fmean(errors):.2f}{spread} (n = {len(errors)})" if errors else "*not yet run*"
        lines.append(f"| `{key}` | {words} | {row.counts().parameters:,} | {row.error} ± {row.deviation} | {ours} |")
    assert "\n".join(lines) in README, "the table should be:\n" + "\n".join(lines)
    assert f"{EPOCHS} epochs" in README


def test_what_the_front_page_claims_holds():
    runs = trained_alike(read_results(results_folder()), DATA, LAPTOP["rotated-mnist"], epochs=EPOCHS)
    found = compared("p4cnn", "z2cnn", errors_of(runs["p4cnn"]), errors_of(runs["z2cnn"]))
    assert f"(permutation test, p = {found.p:.3f})" in README and found.verdict == "holds"
    (full,) = trained_alike(read_results(results_folder()), DATA, validation=2000)["p4cnn"]
    epochs, error = full["config"]["epochs"], errors_of([full])[0]
    assert f"{epochs} epochs on one CPU core, reaches {error:.2f} % test error (one seed" in README
