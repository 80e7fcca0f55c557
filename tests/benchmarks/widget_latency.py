"""From a key press on the explorer's slider to changed pixels, in headless Chromium inside a real JupyterLab.

    uv run python tests/benchmarks/widget_latency.py

8 sheets of 64 × 64 (a lifting layer of D4 on a 66 × 66 image). In the page: the clock starts at the key event's time
stamp and stops in the first animation frame that finds other pixels in the canvas of "turn, then compute". So it counts
the event, the drawing, and up to one frame of waiting. The bar: a median under 30 ms.
"""

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from browser.explorer import explorer
from browser.lab import browser_page, open_and_run, running_lab, write_notebook

MOVES = 20
BAR = 30
CELL = """
import torch
from course_lib.groups import D4
from course_lib.layers import LiftingConv2d
from course_lib.widgets import feature_map_explorer
torch.manual_seed(0)
feature_map_explorer(LiftingConv2d(D4, 1, 1, 3), torch.rand(66, 66), step=15)
"""
# Reading the whole canvas back would count as latency: the middle line, through four sheets, is enough.
WATCH = """() => {
    const slider = document.querySelector('.fme input[type=range]');
    const canvas = document.querySelectorAll('.fme canvas')[1];
    const middle = () => String(canvas.getContext('2d').getImageData(0, canvas.height / 2, canvas.width, 1).data);
    window.latencies = [];
    slider.addEventListener('keydown', event => {
        const before = middle();
        const look = () => {
            if (middle() === before) requestAnimationFrame(look);
            else window.latencies.push(performance.now() - event.timeStamp);
        };
        requestAnimationFrame(look);
    }, true);
}"""


def latencies() -> list[float]:
    """Milliseconds of each of 20 moves, one at a time."""
    with tempfile.TemporaryDirectory() as root, running_lab(Path(root)) as (address, token), browser_page() as page:
        write_notebook(Path(root, "latency.ipynb"), CELL)
        if errors := open_and_run(page, address, token, "latency.ipynb"):
            raise RuntimeError(f"the notebook failed: {errors}")
        explorer(page).locator("input[type=range]").focus()
        page.evaluate(WATCH)
        for move in range(MOVES):
            page.keyboard.press("ArrowRight" if move < MOVES // 2 else "ArrowLeft")
            page.wait_for_function("count => window.latencies.length === count", arg=move + 1, timeout=10_000)
            page.wait_for_timeout(100)
        return page.evaluate("() => window.latencies")


def main() -> int:
    times = latencies()
    median = statistics.median(times)
    print(f"median {median:.1f} ms of {MOVES} (bar {BAR} ms), {min(times):.1f} to {max(times):.1f}")
    return int(median >= BAR)


if __name__ == "__main__":
    sys.exit(main())
