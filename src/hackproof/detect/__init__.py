"""What tells hacking from learning: distances, detectors, and how well they do."""

from hackproof.detect._collect import action_distributions, activations, collect
from hackproof.detect._detectors import (
    ActionDistance,
    ActivationDensity,
    Detector,
    MissingInput,
)
from hackproof.detect._distances import (
    Gaussian,
    MonteCarlo,
    categorical_hellinger,
    categorical_js,
    gaussian_hellinger,
    gaussian_js,
    published_categorical_js,
    published_gaussian_hellinger,
    published_gaussian_js,
    softmax,
)
from hackproof.detect._ensemble import Ensemble
from hackproof.detect._roc import AUROC, BestF1, auroc, auroc_interval, max_f1
from hackproof.detect._rollout import LABELS, Rollout
from hackproof.detect._states import ClassifierTest, EnergyDistance, KernelMMD
from hackproof.detect._table import DETECTORS, PUBLISHED, Row, table
from hackproof.detect._terms import TermShift, TermTest, decompose, holm, shares

__all__ = [
    "AUROC", "DETECTORS", "LABELS", "PUBLISHED", "ActionDistance", "ActivationDensity",
    "BestF1", "ClassifierTest", "Detector", "EnergyDistance", "Ensemble", "Gaussian",
    "KernelMMD", "MissingInput", "MonteCarlo", "Rollout", "Row", "TermShift", "TermTest",
    "action_distributions", "activations", "auroc", "auroc_interval",
    "categorical_hellinger", "categorical_js", "collect", "decompose", "gaussian_hellinger",
    "gaussian_js", "holm", "max_f1", "published_categorical_js",
    "published_gaussian_hellinger", "published_gaussian_js", "shares", "softmax", "table",
]  # fmt: skip
