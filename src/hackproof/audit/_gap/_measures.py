"""What is measured of answers that an oracle and a person have judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def measures(frame: pd.DataFrame) -> dict[str, Any]:
    """Return by measure the values whose mean it is; NaN where a row does not count."""
    import numpy as np

    right, said = frame["oracle"].to_numpy(), frame["human"].to_numpy()
    found = {
        "approval": said, "correctness": right, "human_error": (said != right) * 1.0,
        "false_positives": np.where(right == 0, said, np.nan),
        "false_negatives": np.where(right == 1, 1 - said, np.nan),
    }  # fmt: skip
    if "proxy" in frame:
        found["proxy"] = frame["proxy"].to_numpy()
    return found
