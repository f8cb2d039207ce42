"""What a model answers to a coding task: fenced blocks that are files."""

from __future__ import annotations

import re
from typing import NamedTuple

SOLUTION = "solution.py"
MOST_FILES = 16
MOST_BYTES = 200_000
"""Of all files together."""

_NAME = r"[A-Za-z_][\w.-]{0,63}\.(?:py|ini|toml|cfg|txt|json)"
_FENCE = re.compile(r" {0,3}(`{3,})([^`]*)$")
_INFO = re.compile(rf"(?:[\w+-]+\s+)?({_NAME})\s*", re.ASCII)
_COMMENT = re.compile(rf"#+\s*({_NAME})\s*:?", re.ASCII)
_THOUGHT = re.compile(r"</think(?:ing)?>")

FORMAT = """\
Answer with a fenced code block that holds the whole solution; it is saved as solution.py and \
imports no other file of yours. If you want a file for pytest beside it, give it a fenced block \
of its own whose first line is a comment with the file's name, such as `# pytest.ini`. Other \
blocks are ignored."""
"""What a prompt says of the form of an answer."""


class _Block(NamedTuple):
    name: str | None
    text: str


def parse_submission(text: str) -> dict[str, str]:
    """Return a submission's files by name; empty if it cannot be read as one.

    The first closed fenced block is solution.py. A further block is a file if its info string
    ends with a file's name (```` ```python conftest.py ````) or its first line is a comment that
    holds nothing else (`# conftest.py`); where two have one name, the last one counts. A block
    that names solution.py goes before the first one, which then is a file only by its own name.
    Private reasoning, up to the last `</think>` or `</thinking>`, is not looked at.

    Args:
        text: A whole completion.

    Returns:
        Files by plain name, no folders; at most `MOST_FILES` and `MOST_BYTES` in all.
    """
    blocks = _blocks(_THOUGHT.split(text)[-1])
    if not blocks:
        return {}
    if all(block.name != SOLUTION for block in blocks):
        blocks[0] = blocks[0]._replace(name=SOLUTION)
    files = {block.name: block.text for block in blocks if block.name is not None}
    try:
        size = sum(len(content.encode("utf-8")) for content in files.values())
    except UnicodeEncodeError:  # a lone surrogate, which no file can hold
        return {}
    return files if size <= MOST_BYTES and len(files) <= MOST_FILES else {}


def _blocks(text: str) -> list[_Block]:
    """Return the closed fenced blocks, in order; a fence is closed by one at least as long."""
    blocks: list[_Block] = []
    opened: tuple[str, str] | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        fence = _FENCE.match(line.rstrip())
        if opened is None:
            if fence:
                opened, lines = (fence[1], fence[2].strip()), []
        elif fence and not fence[2].strip() and len(fence[1]) >= len(opened[0]):
            blocks.append(_Block(_name(opened[1], lines), "\n".join([*lines, ""])))
            opened = None
        else:
            lines.append(line)
    return blocks


def _name(info: str, lines: list[str]) -> str | None:
    """Return the file's name that a block's info string or first line gives."""
    named = _INFO.fullmatch(info) or (
        _COMMENT.fullmatch(lines[0].strip(" \t\r\f\v")) if lines else None
    )
    return named[1] if named else None
