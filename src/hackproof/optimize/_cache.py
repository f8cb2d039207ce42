"""The persistent compilation cache: a program compiles once per machine, not per worker."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def enable_compilation_cache() -> Path | None:
    """Keep compiled programs between processes; call it before anything is compiled.

    They lie under $XDG_CACHE_HOME/hackproof (or ~/.cache), in a folder named by the
    processor: code compiled for one processor may not run on another. The variable
    HACKPROOF_NO_CACHE turns it off. Returns the folder, or None where there is none.
    """
    if os.environ.get("HACKPROOF_NO_CACHE"):
        return None
    import jax

    from hackproof.record.provenance import machine

    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(machine()["processor"].encode()).hexdigest()[:12]
    folder = Path(base) / "hackproof" / f"jax-{jax.__version__}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    return folder
