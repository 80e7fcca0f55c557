"""What may be linked in a notebook's markdown, and the links from a term's first use to the glossary."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).parent / "glossary.md"
# Where no link may be put: folded help and code, formulas, links, HTML, headings.
PROTECTED = re.compile(
    r"<details>.*?</details>|```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$|!?\[[^\]]*\]\([^)\n]*[.:#/][^)]*\)|<[^>\n]+>|^#.*?$|^\|.*?$",
    re.DOTALL | re.MULTILINE,
)


@cache
def terms() -> tuple[str, ...]:
    """The glossary's entries, the longest first: "group convolution" must win over "group"."""
    block = GLOSSARY.read_text(encoding="utf-8").split("```{glossary}")[1].split("```")[0]
    entries = [line for line in block.splitlines() if line and not line.startswith(" ")]
    return tuple(sorted(entries, key=len, reverse=True))


def in_prose(text: str, change: Callable[[str], str]) -> str:
    """Markdown whose running prose is changed, and nothing that is protected."""
    pieces, end = [], 0
    for protected in PROTECTED.finditer(text):
        pieces += [change(text[end : protected.start()]), protected[0]]
        end = protected.end()
    return "".join([*pieces, change(text[end:])])


def link_first_uses(text: str, seen: set[str]) -> str:
    """Prose in which the first use of each term that is not in ``seen`` is a link; adds those terms to it."""
    pattern = "|".join(re.escape(term) for term in terms())

    def link(found: re.Match[str]) -> str:
        term = found[1].lower()
        if term in seen:
            return found[0]
        seen.add(term)
        return f"{{term}}`{found[0]} <{term}>`"

    return re.sub(rf"\b({pattern})(?:s|es)?\b", link, text, flags=re.IGNORECASE)
