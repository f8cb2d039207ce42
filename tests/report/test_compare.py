from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

import hackproof
from hackproof import report
from hackproof.experiment import registry
from hackproof.experiment.statistics import welch_interval


@pytest.fixture(scope="module")
def other(study_file, tmp_path_factory):
    """The full study on three seeds and with more noise."""
    kind = type(registry.load(str(study_file)).scales["cpu"].settings)
    out = tmp_path_factory.mktemp("other") / "noisier"
    return hackproof.run(str(study_file), settings=kind(noise=3.0), seeds=3, out=out, workers=0)


def printed(comparison) -> str:
    console = Console(file=io.StringIO(), width=200)
    report.print_comparison(comparison, console)
    return console.file.getvalue()


def test_a_run_does_not_differ_from_itself(full):
    found = report.compare(full, full)
    assert not found.settings
    assert not found.surroundings
    assert not found.claims
    assert len(found.values) == 4 * 6 * 4
    assert all(v.paired and v.difference[:3] == (0, 0, 0) for v in found.values)
    assert not any(v.differs for v in found.values)


def test_other_settings_and_seeds_are_named_and_unpaired(full, other):
    found = report.compare(full, other)
    assert {d.name: (d.a, d.b) for d in found.settings} == {
        "seeds": ([0, 1, 2, 3, 4], [0, 1, 2]),
        "noise": (0.3, 3.0),
    }
    assert not any(v.paired for v in found.values)
    said = printed(found)
    assert [d.name in said for d in found.claims] == [True] * len(found.claims)
    assert "noise" in said
    assert "Welch" in said


def test_equal_seeds_are_paired(other, failing):
    found = report.compare(other, failing)
    paired = {v.arm: v.paired for v in found.values}
    assert paired == {"aligned": True, "ontological": True, "scope": True, "noisy": False}
    assert found.only_a == 4 * 4 * 4
    assert found.only_b == 0
    assert "64 values only in a" in printed(found)


def test_markup_in_names_is_text(watched, tmp_path, full):
    run = watched(tmp_path / "run", hostile="[red]x[/]")
    assert "[red]x[/]" in printed(report.compare(run, run))
    console = Console(file=io.StringIO(), width=200)
    report.print_claims(run, console)
    assert "[red]x[/]" in console.file.getvalue()


def test_print_claims_shows_verdicts_claims_and_failures(failing):
    console = Console(file=io.StringIO(), width=200)
    report.print_claims(failing, console)
    said = console.file.getvalue()
    assert "2 of 24 cells failed" in said
    assert "Hacks" in said
    assert "1 reproduced, 1 not reproduced, 1 underpowered, 1 not asserted." in said


def test_welch_interval_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 5), rng.normal(1, 3, 8)
    found = welch_interval(list(a), list(b))
    expected = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(found[1:3], (expected.low, expected.high), rtol=1e-12)
    assert found.estimate == pytest.approx(b.mean() - a.mean())


def test_welch_interval_of_few_values():
    assert np.isnan(welch_interval([], [1.0]).estimate)
    one = welch_interval([1.0], [2.0, 3.0])
    assert one.estimate == 1.5
    assert np.isnan(one.low)
    assert welch_interval([1.0, 1.0], [2.0, 2.0])[:3] == (1, 1, 1)
