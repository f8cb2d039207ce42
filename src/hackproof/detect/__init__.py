"""What tells hacking from learning: distances, detectors, and how well they do."""

from hackproof.detect._activations import residual_stream
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
from hackproof.detect._examples import Example, hack_examples, persona_examples
from hackproof.detect._inside import Fitted, first_departure, fit_persona, inside
from hackproof.detect._probe import LayerProbe, Probe, Watched, fit_probe, probe_layers, watch
from hackproof.detect._roc import AUROC, BestF1, auroc, auroc_interval, max_f1
from hackproof.detect._rollout import LABELS, Rollout
from hackproof.detect._states import ClassifierTest, EnergyDistance, KernelMMD
from hackproof.detect._steer import (
    Direction,
    Steered,
    ablated,
    behaviour,
    mean_difference,
    random_directions,
    steer_curve,
    steering,
)
from hackproof.detect._table import DETECTORS, PUBLISHED, Row, table
from hackproof.detect._terms import TermShift, TermTest, decompose, holm, shares

__all__ = [
    "AUROC", "DETECTORS", "LABELS", "PUBLISHED", "ActionDistance", "ActivationDensity",
    "BestF1", "ClassifierTest", "Detector", "Direction", "EnergyDistance", "Ensemble",
    "Example", "Fitted", "Gaussian", "KernelMMD", "LayerProbe", "MissingInput", "MonteCarlo",
    "Probe", "Rollout", "Row", "Steered", "TermShift", "TermTest", "Watched", "ablated",
    "action_distributions", "activations", "auroc", "auroc_interval", "behaviour",
    "categorical_hellinger", "categorical_js", "collect", "decompose", "first_departure",
    "fit_persona", "fit_probe", "gaussian_hellinger", "gaussian_js", "hack_examples", "holm",
    "inside", "max_f1", "mean_difference", "persona_examples", "probe_layers",
    "published_categorical_js", "published_gaussian_hellinger", "published_gaussian_js",
    "random_directions", "residual_stream", "shares", "softmax", "steer_curve", "steering",
    "table", "watch",
]  # fmt: skip
