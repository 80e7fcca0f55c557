"""What may differ from a recipe: the fields of `Changes`, from which the command line makes its options.

It imports no torch, so that ``--help`` need not wait for it.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from course_lib.errors import BadValue

Part = Literal["data", "recipe", "run"]  # the heading under which the help of the command line lists it


def _number(part: Part, text: str, least: int = 1, metavar: str | None = None) -> Any:
    return field(default=None, metadata={"part": part, "help": text, "least": least, "metavar": metavar})


def _switch(value: bool, text: str) -> Any:
    return field(default=None, metadata={"part": "run", "help": text, "value": value})


@dataclass(frozen=True)
class Changes:
    """What differs from the recipe of a row; None: what the recipe says.

    ``shorten``: a recipe of 200 epochs shortened 20 times has 10, and all its milestones move alike.

    Raises TypeError for a field that does not exist, ValueError that names the field if a value makes no sense, or if
    both ``epochs`` and ``shorten`` are given.
    """

    epochs: int | None = _number("recipe", "the steps of the schedule move in proportion")
    shorten: int | None = _number("recipe", "each recipe N times shorter, milestones too", metavar="N")
    batch_size: int | None = _number("recipe", "images in each step", metavar="IMAGES")
    validation: int | None = _number("data", "how many training images to hold out", least=0, metavar="IMAGES")
    per_class: int | None = _number("data", "keep so many training images per class", metavar="IMAGES")
    bf16: bool | None = _switch(True, "autocast to bfloat16; not measured here, try it on your GPU")
    compile: bool | None = _switch(True, "torch.compile; on a CPU it made P4CNN slower, on your GPU try it")
    deterministic: bool | None = _switch(False, "allow CUDA operations that may be faster but do not repeat exactly")

    def __post_init__(self) -> None:
        for change in fields(self):
            least, value = change.metadata.get("least"), getattr(self, change.name)
            if value is None:
                continue
            if least is None and not isinstance(value, bool):
                raise BadValue(f"{change.name} must be True or False, got {value!r}")
            if least is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise BadValue(f"{change.name} must be a whole number of at least {least}, got {value!r}")
        if self.epochs is not None and self.shorten is not None:
            raise BadValue("give epochs, or shorten, not both: each says how long to train")

    def given(self) -> dict[str, Any]:
        """Name → value of what was changed, in the order of the fields; so it stands in a result."""
        return {name: value for name, value in vars(self).items() if value is not None}
