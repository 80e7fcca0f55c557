"""Pages whose widgets live on without a kernel and without a network.

``python -m course_lib.widgets.export notebook.ipynb page.html`` runs a notebook and writes such a page. Our widget
is one JavaScript module and its state. A page needs no more than both of them and a model object of a few lines, so
nothing is loaded from anywhere.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import anywidget

from course_lib.files import write_whole

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

LARGE = 500_000  # characters of a state that a page holds itself, where it may have a file beside it
# A widget draws into the first free place with the name of its contents: the same widget gives the same bytes always.
FRAGMENT = """\
<div class="course-widget" data-widget="%(name)s"></div>
<style>%(css)s</style>
<script type="module">
%(module)s
const place = document.querySelector('[data-widget="%(name)s"]:not([data-taken])');
place.dataset.taken = "";
const state = JSON.parse(%(state)s, (_key, value) =>
  value && typeof value.base64 === "string" ? Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)) : value);
const listeners = {};
const model = {
  get: (name) => state[name],
  set: (name, value) => {
    if (state[name] === value) return;
    state[name] = value;
    for (const listener of listeners[`change:${name}`] ?? []) listener();
  },
  on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
  off: (event, listener) => listeners[event]?.delete(listener),
  save_changes: () => {},
};
widget.render({ model, el: place });
</script>
"""
# A large state comes as a script of its own when the reader is near; a page from a file may load nothing else.
ON_DEMAND = """\
await new Promise((near) => new IntersectionObserver(([entry], observer) => {
  if (entry.isIntersecting) near(observer.disconnect());
}, { rootMargin: "800px" }).observe(place)).then(() => new Promise((arrived) => {
  const script = document.createElement("script");
  script.onload = () => arrived(globalThis.courseStates["%(name)s"]);
  script["src"] = "%(address)s";
  document.head.append(script);
}))"""


def standalone_html(widget: anywidget.AnyWidget, folder: Path | None = None, address: str = "") -> str:
    """A widget as a piece of HTML that works in any page, offline.

    With a ``folder``, a large state is written there as a file, which the page loads from ``address`` when the widget
    comes near to what is shown. Raises ValueError for one that needs a kernel, or whose state holds a number that is
    not finite.
    """
    return _fragment(widget.get_state(), folder, address)


def export_notebook(notebook: Path, page: Path) -> None:
    """Run a notebook and write it as one HTML page, each anywidget replaced by a fragment that needs no kernel.

    Other widgets cannot run in such a page: their still picture is shown.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    document = nbformat.read(notebook, as_version=4)
    where = {"metadata": {"path": str(notebook.resolve().parent)}}
    NotebookClient(document, timeout=600, store_widget_state=True, resources=where).execute()
    stored = document.metadata.pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for cell in document.cells:
        for output in cell.get("outputs", []):
            _replace_view(output.get("data", {}), stored)
    # Our page has no Jupyter widgets left, so that it needs neither RequireJS nor jQuery.
    html, _ = HTMLExporter(require_js_url="", jquery_url="").from_notebook_node(document)
    write_whole(page, html.encode())


def _replace_view(data: dict[str, Any], stored: dict[str, Any]) -> None:
    """Put the fragment in the place of a widget view, and drop the view."""
    view = data.pop(WIDGET_VIEW, None)
    if view is None or "_esm" not in (entry := stored.get(view["model_id"], {"state": {}}))["state"]:
        return
    state = entry["state"]
    for buffer in entry.get("buffers", []):
        _put(state, buffer["path"], base64.b64decode(buffer["data"]))
    if state.get("setup", {}).get("live"):
        return  # without a kernel the still picture says more than a slider that does nothing
    data.clear()
    data["text/html"] = _fragment(state)


def _put(state: Any, path: list[Any], value: bytes) -> None:
    for key in path[:-1]:
        state = state.setdefault(key, {}) if isinstance(state, dict) else state[key]
    state[path[-1]] = value


def _fragment(state: dict[str, Any], folder: Path | None = None, address: str = "") -> str:
    if state.get("setup", {}).get("live"):
        raise ValueError("a live widget asks the kernel for every picture: make it with live=False to export it")
    own = {
        name: value for name, value in state.items() if not name.startswith("_") and name not in ("layout", "tabbable")
    }
    # The page's JSON.parse takes no nan and no infinity.
    text = json.dumps(own, default=lambda raw: {"base64": base64.b64encode(raw).decode()}, allow_nan=False)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    literal = json.dumps(text).replace("<", "\\u003c")  # text within text; "<" must not end the script
    if folder is not None and len(text) > LARGE:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{name}.js", f'(globalThis.courseStates ??= {{}})["{name}"] = {literal};'.encode())
        literal = ON_DEMAND % {"name": name, "address": f"{address}{name}.js"}
    return FRAGMENT % {
        "name": name,
        "css": state.get("_css", ""),
        "module": state["_esm"].replace("export default", "const widget ="),
        "state": literal,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a notebook; write a page whose widgets work without a kernel.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("page", type=Path)
    arguments = parser.parse_args()
    export_notebook(arguments.notebook, arguments.page)


if __name__ == "__main__":
    main()
