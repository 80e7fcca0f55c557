"""The turning ring as an animated picture, for the README: the real widget in Chromium, frame by frame.

    uv run python notebooks/web/ring_animation.py notebooks/images/turning_ring.gif

First the p4 network, once round in quarter turns, then the ordinary one. The page's clock stands still between frames,
so that the same widget gives the same motion.
"""

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from course_lib.data import load_digits
from course_lib.experiments import trained
from course_lib.files import write_whole
from course_lib.widgets import turning_ring
from course_lib.widgets.export import standalone_html

CHROMIUM = "/usr/bin/chromium"
FRAME, STEP, HOLD = 90, 15, 12  # milliseconds; degrees a frame; frames at each quarter turn
WIDTH, HEIGHT = 860, 372


def frames(page: Page) -> Iterator[Image.Image]:
    """Screenshots of one round with each network."""
    for network in (0, 1):
        page.locator("input[type=radio]").nth(network).check()
        for degrees in range(0, 360, STEP):
            page.evaluate("degrees => { const slider = document.querySelector('input[type=range]');"
                          "slider.value = degrees; slider.dispatchEvent(new Event('input')); }", degrees)  # fmt: skip
            for _ in range(HOLD if degrees % 90 == 0 else 1):
                page.clock.run_for(FRAME)
                yield Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def main(target: Path) -> None:
    """Make the page, play it, and write the frames as a GIF of 64 colors."""
    nets = {"p4 network": trained("upright-p4cnn"), "ordinary network": trained("upright-cnn")}
    html = standalone_html(turning_ring(nets, load_digits().test.images[2:3]))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "ring.html")
        path.write_text(f"<!doctype html><meta charset=utf-8><body style='margin:4px'>{html}", encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.clock.install(time=0)
        page.goto(path.as_uri())
        page.clock.pause_at(60_000)
        pictures = list(frames(page))
        browser.close()
    palette = pictures[HOLD + 2].quantize(64)
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    first.save(buffer, "gif", save_all=True, append_images=rest, duration=FRAME, loop=0, optimize=True)
    write_whole(target, buffer.getvalue())
    print(f"{target}: {len(pictures)} frames, {len(buffer.getvalue()) / 1e3:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
