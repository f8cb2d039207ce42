"""Runs untrusted code in isolation and returns claims, never verdicts.

    with Sandbox() as sandbox:
        sandbox.run({"main.py": "print(6 * 7)"}).stdout
        sandbox.call("def double(x): return 2 * x", "double", [[3], [4]]).claims

docs/sandbox.md says what the isolation holds and what it does not.
"""

from __future__ import annotations

from hackproof.sandbox._sandbox import Sandbox, probe
from hackproof.sandbox._types import Claim, Isolation, Limits, Result

__all__ = ["Claim", "Isolation", "Limits", "Result", "Sandbox", "probe"]
