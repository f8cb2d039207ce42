"""One self-contained HTML page per run, the index of runs, and what differs between two."""

from hackproof.report._compare import Comparison, compare, print_comparison
from hackproof.report._figure import figure
from hackproof.report._index import RunSummary, index
from hackproof.report._page import render, write
from hackproof.report._server import view
from hackproof.report._terminal import print_claims

__all__ = [
    "Comparison", "RunSummary", "compare", "figure", "index", "print_claims", "print_comparison",
    "render", "view", "write",
]  # fmt: skip
