"""Pages whose widgets live on without a kernel and without a network.

Our widget is one JavaScript module and its state. A page needs no more than both of them and a model object of a few
lines, so nothing is loaded from anywhere.
"""

import base64
import hashlib
import json
from pathlib import Path

import anywidget

from course_lib.files import write_whole

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
    comes near to what is shown. Raises ValueError if the state holds a number that is not finite.
    """
    state = widget.get_state()
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
