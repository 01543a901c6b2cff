"""What a place in a shell command stands in, as bash would read what is before it."""

from __future__ import annotations

import re
from typing import Final

#: A here-document: bash fills what is in it as between quotes; one whose word is quoted stays as it is written.
DOCUMENT: Final = "<<"
LITERAL: Final = "<<'"
_BEGIN: Final = re.compile(r"<<(?P<indented>-?)[ \t]*(?P<word>(?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>()'\"\\])+)")
#: What is over before the place: an escaped character, quotes that are closed again, a comment, a here-string's sign.
_PASSED: Final = re.compile(
    r"""\\. | \$'(?:\\.|[^'\\])*' | '[^']*' | "(?:\\.|[^"\\])*" | (?<![^\s;&|(])\#[^\n]* | <<<""",
    re.DOTALL | re.VERBOSE,
)


def around(before: str) -> str:
    """The quote that is open behind some text of a command, DOCUMENT or LITERAL within one; empty outside of all."""
    at = 0
    documents: list[re.Match[str]] = []
    while at < len(before):
        if passed := _PASSED.match(before, at):
            at = passed.end()
        elif before[at] in "'\"":
            return before[at]
        elif (begin := _BEGIN.match(before, at)) and not _counts(before[:at]):
            documents.append(begin)
            at = begin.end()
        else:
            at += 1
            while before[at - 1] == "\n" and documents:
                begin = documents.pop(0)
                end = _end(begin, before, at)
                if end is None:
                    return LITERAL if re.search(r"['\"\\]", begin["word"]) else DOCUMENT
                at = end
    return ""


def _counts(before: str) -> bool:
    """Whether this is arithmetic, in which ``<<`` is an operator."""
    return before.rfind("((") > before.rfind("))")


def _end(begin: re.Match[str], text: str, at: int) -> int | None:
    """Where the line ends that ends a here-document, None when it is not there."""
    word = re.sub(r"\\(.)|['\"]", r"\1", begin["word"])
    line = re.compile(rf"^{chr(9) + '*' if begin['indented'] else ''}{re.escape(word)}\n", re.MULTILINE)
    found = line.search(text, at)
    return None if found is None else found.end()
