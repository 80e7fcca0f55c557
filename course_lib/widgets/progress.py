"""The progress page: what is done across the notebooks, where to go on, and a button that resets one exercise."""

from typing import Any

import ipywidgets as widgets

from course_lib.exercises import progress, record
from course_lib.exercises.registry import all_exercises, find


class ProgressPage(widgets.VBox):  # type: ignore[misc]  # ipywidgets carries no types
    """The widget that `progress_page` makes. Where no widget can run it shows the table alone."""

    def __init__(self) -> None:
        self._table, self._message = widgets.HTML(), widgets.HTML()
        self._choice = widgets.Dropdown(description="exercise")
        self._button = widgets.Button(description="Reset this exercise")
        self._button.on_click(lambda _button: self.reset(self._choice.value))
        super().__init__([self._table, widgets.HBox([self._choice, self._button]), self._message])
        self.refresh()

    def refresh(self) -> None:
        """Read the progress again: exercises may have been done since."""
        self._table.value = progress()._repr_html_()
        tried = record.load()
        options = [(f"{e.title}: {tried[e.name].status}", e.name) for e in all_exercises() if e.name in tried]
        self._choice.options = options
        self._choice.index = 0 if options else None  # by itself it stays empty once it has been
        self._choice.disabled = self._button.disabled = not options

    def reset(self, name: str | None) -> None:
        """Forget that an exercise was done or tried. Raises LookupError for a name that no exercise has.

        None is what the dropdown says while nothing is chosen: the message asks to choose.
        """
        if name is None:
            self._message.value = "<p>First choose the exercise to reset.</p>"
            return
        title = find(name).title
        record.forget(name)
        self.refresh()
        self._message.value = f"<p>{title} is to do again. What stands in its cell is untouched.</p>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        shown = progress()
        return {**(bundle or {}), "text/html": shown._repr_html_(), "text/plain": repr(shown)}


def progress_page() -> ProgressPage:
    """Which exercises of the whole course are done, which is next, and a button to reset one that you have tried."""
    return ProgressPage()
