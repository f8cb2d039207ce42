"""What the commands share: parsing flags and printing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def parse(kind: Any, name: str, words: list[str], description: str) -> Any:
    """Parse a command's words into its dataclass; tyro prints help and refuses bad flags."""
    import tyro

    return tyro.cli(kind, prog=f"hackproof {name}", args=words, description=description)


def console() -> Console:
    """Return the terminal that results are printed to."""
    from rich.console import Console

    return Console()


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
