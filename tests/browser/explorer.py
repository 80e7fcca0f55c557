"""What the browser tests and the benchmark know about the explorer's page."""

from playwright.sync_api import Locator, Page


def explorer(page: Page) -> Locator:
    """The first explorer on the page, scrolled into view and drawn."""
    widget = page.locator(".fme:not(.ring)").first
    widget.wait_for(state="attached")
    widget.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.fme:not(.ring) .fme-status')?.textContent")
    return widget


def pictures(widget: Locator) -> list[str]:
    """The canvases' contents: turned input, the two orders, their difference."""
    return widget.locator("canvas").evaluate_all("canvases => canvases.map(canvas => canvas.toDataURL())")


def status(widget: Locator) -> str:
    return widget.locator("[role=status]").inner_text()
