"""What a figure shows in words: captions below it, of pictures, diagrams and widgets alike, and errors in alt text."""

import math
from typing import Any, Self

from IPython.display import display

CAPTION = "caption"  # the key in an output's metadata by which the site knows a caption from other text


def show_caption(caption: str) -> None:
    """Show the caption of the output before: by itself only where that will be replaced, as by a curve that grows."""
    display({"text/markdown": f"*{caption}*", "text/plain": caption}, metadata={CAPTION: True}, raw=True)


def error_words(error: float) -> str:
    """An equivariance error in words: rounding noise differs from machine to machine, so its digits stay out."""
    if not math.isfinite(error):
        return "not finite"
    return "below 10⁻⁴, rounding only" if error < 1e-4 else f"{error:.2g}"


class Captioned:
    """Something that shows itself through ``_repr_mimebundle_``, and may have a caption, which follows it."""

    caption = ""

    def captioned(self, caption: str) -> Self:
        """Give it a caption: one sentence that says what to see; formulas as ``$L_r f$``."""
        self.caption = caption
        return self

    def _ipython_display_(self) -> None:
        if not self.caption:
            raise NotImplementedError  # IPython then shows the bundle by itself
        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)
        show_caption(self.caption)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        raise NotImplementedError
