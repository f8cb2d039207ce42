"""`hackproof certify` as a user meets it."""

import json

import pytest

CHATBOT = {
    "P": [[[0, 0]] * 3] * 2,
    "terminates": True,
    "R": [[1.0, 0.2, 0.2], [0.0, 1.0, 0.9]],
    "gamma": 0.0,
    "mu0": [0.9, 0.1],
    "D": [[0.5, 0.3, 0.1], [0.02, 0.05, 0.03]],
    "states": ["benign request", "dangerous request"],
    "actions": ["comply", "refuse", "explain"],
}


@pytest.fixture
def certify(hackproof, tmp_path):
    """Certify a changed chatbot."""

    def run(*flags, **change):
        path = tmp_path / "problem.json"
        content = {k: v for k, v in (CHATBOT | change).items() if v is not None}
        path.write_text(json.dumps(content))
        return hackproof("certify", path, *flags)

    return run


def test_safe_unsafe_and_undecided_have_their_exit_codes(certify):
    assert certify("--eps", "0.03").returncode == 0
    assert certify("--eps", "0.12").returncode == 1
    wide = certify("--eps", "0.06", "--method", "bounds")
    assert (wide.returncode, "UNDECIDED" in wide.stdout) == (2, True)


def test_the_answer_is_in_the_users_names(certify):
    done = certify("--eps", "0.12")
    assert "benign request: explain" in done.stdout
    assert "benign request / explain: 0.1 to 0.15" in done.stdout


def test_json_has_the_radius_the_policy_and_data_that_would_be_safe(certify):
    answer = json.loads(certify("--eps", "0.12", "--json").stdout)
    assert answer["verdict"] == "unsafe"
    assert answer["radius"]["exact"]
    # Explaining where complying pays 0.8 more: 0.1 of the data at a gap of 0.8.
    assert answer["radius"]["upper"] == pytest.approx(0.08)
    repaired = answer["repair"]["D"]
    assert answer["repair"]["proven"]
    assert certify("--eps", "0.12", D=repaired).returncode == 0


def test_too_many_ways_to_be_bad_are_said(certify):
    done = certify("--eps", "0.5")
    assert done.returncode == 1
    assert "no data distribution is safe" in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"D": [[0.6, 0.3, 0.1], [0.02, 0.05, 0.03]]}, "D sums to 1.1"),
        ({"terminates": None}, "P[0][0] sums to 0, 1 short of 1"),
        ({"gamma": 1.0}, "gamma is 1"),
        ({"R": [[1, 1, 1]] * 2}, "regret is undefined"),
        ({"mu0": [0.5, 0.6]}, "mu0 sums to 1.1"),
        ({"mu0": [1.0]}, "mu0 (1,)"),
        ({"reward": []}, "unknown key 'reward'"),
        ({"D": None}, "D is missing"),
        ({"states": ["a"]}, "states must be 2 different names"),
        ({"R": [[1, 2], [3]]}, "R must be nested lists"),
    ],
)
def test_bad_files_are_named_and_refused(certify, change, message):
    done = certify(**change)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_cut_short(hackproof, tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(CHATBOT)[:90])
    done = hackproof("certify", path)
    assert done.returncode == 2
    assert "cut short" in done.stderr
