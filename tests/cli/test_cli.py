import json
import os
import subprocess
from pathlib import Path

import pytest

import hackproof as package


def assert_bad(done, *words):
    """Bad input: exit code 2, what was wrong and what to do, and no traceback."""
    assert done.returncode == 2, done.stderr + done.stdout
    text = done.stderr + done.stdout
    assert "Traceback" not in text
    for word in words:
        assert word in text


def test_help_names_every_command(hackproof):
    done = hackproof("--help")
    assert done.returncode == 0
    for command in ("list", "run", "report", "compare", "verify", "doctor", "view", "query"):
        assert f"  {command} " in done.stdout


def test_run_help_has_every_setting(hackproof):
    done = hackproof("run", "pan-2022-glucose", "--help")
    assert done.returncode == 0
    for flag in (
        "--widths",
        "--learning-rate",
        "--patient",
        "--scale",
        "--engine",
        "--dry-run",
        "--only",
    ):
        assert flag in done.stdout
    assert "Hidden units per layer" in done.stdout  # docstrings are the help


def test_list(hackproof):
    done = hackproof("list")
    assert done.returncode == 0
    assert "pan-2022-glucose" in done.stdout
    assert "boat-race" in done.stdout


@pytest.fixture
def run(toy, tmp_path):
    return package.run(toy, out=tmp_path / "run", workers=0).path


def test_a_run_prints_its_claims_and_page(hackproof, toy, tmp_path):
    done = hackproof("run", toy, "--out", "r", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "not reproduced" in done.stdout
    assert "r/report.html" in done.stdout
    assert (tmp_path / "r/report.html").stat().st_size > 100_000


def test_strict_tells_by_its_exit_code(hackproof, toy):
    assert hackproof("run", toy, "--out", "r", "--strict", "--workers", "0").returncode == 1


def test_a_failed_cell_is_exit_code_2(hackproof, toy):
    done = hackproof("run", toy, "--out", "r", "--fail", "raise")
    assert_bad(done, "1 of 24 cells are not done", "hacks.2.seed0", "the toy broke on purpose")


def test_without_out_the_same_command_finds_its_folder(hackproof, toy):
    first = hackproof("run", toy, "--scale", "smoke")
    again = hackproof("run", toy, "--scale", "smoke")
    other = hackproof("run", toy, "--scale", "smoke", "--noise", "0.3")
    assert "8 of 8 cells are already done" in again.stdout
    assert "already done" not in first.stdout + other.stdout


def test_dry_run_lists_cells_and_writes_nothing(hackproof, toy, tmp_path):
    done = hackproof("run", toy, "--dry-run", "--seeds", "2", "--only", "hacks")
    assert done.returncode == 0
    assert "6 cells, about" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "pan-2022-glucos"], ["unknown study", "Did you mean 'pan-2022-glucose'"]),
        (["rum"], ["unknown command 'rum'", "Did you mean 'run'"]),
        (["run", "pan-2022-glucose", "--widht", "3"], ["--widht", "--widths"]),
        (["run", "pan-2022-glucose", "--widths", "-3"], ["--widths has -3"]),
        (["run", "pan-2022-glucose", "--widths", "8", "4"], ["must rise"]),
        (["run", "pan-2022-glucose", "--widths", "four"], ["four"]),
        (["run", "pan-2022-glucose", "--batch-size", "7"], ["batch_size 7 does not divide"]),
        (["run", "pan-2022-glucose", "--learning-rate", "nan"], ["--learning-rate"]),
        (["run", "pan-2022-glucose", "--patient", "adult#01"], ["Did you mean 'adult#0"]),
        (["run", "pan-2022-glucose", "--seeds", "0"], ["--seeds is 0"]),
        (["run", "pan-2022-glucose", "--scale", "huge"], ["huge"]),
        (["run", "pan-2022-glucose", "--only", "pam"], ["Did you mean 'pan'"]),
        (["run", "pan-2022-glucose", "--workers", "-1"], ["--workers is -1"]),
        (["run", "pan-2022-glucose", "--address", "auto"], ["--address is for --engine ray"]),
        (["run", "nowhere.py"], ["no study file nowhere.py"]),
        (["verify", "nowhere"], ["nowhere is not a run"]),
        (["report", "nowhere"], ["nowhere is not a run"]),
        (["compare", "nowhere", "there"], ["nowhere is not a run"]),
        (["query", "nowhere", "select 1"], ["nowhere is not a run"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input(hackproof, words, expected):
    assert_bad(hackproof(*words), *expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('noise = "abc"', ["noise = 'abc'"]),
        ("noize = 1.0", ["Did you mean 'noise'"]),
        ("levels = [1.5]", ["levels"]),
        ("noise = ", ["is not TOML"]),
    ],
)
def test_bad_settings_files(hackproof, toy, tmp_path, text, expected):
    (tmp_path / "s.toml").write_text(text)
    assert_bad(hackproof("run", toy, "--config", "s.toml"), "s.toml", *expected)


def test_a_settings_file_sets_and_a_flag_overrides(hackproof, toy, tmp_path):
    (tmp_path / "s.toml").write_text("levels = [1, 8]\nnoise = 0.5\n")
    done = hackproof("run", toy, "--config", "s.toml", "--noise", "0.25", "--out", "r")
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "r/run.json").read_text())["settings"]
    assert settings["levels"] == [1, 8]
    assert settings["noise"] == 0.25


def test_an_unwritable_folder(hackproof, toy, tmp_path):
    (tmp_path / "file").write_text("")
    assert_bad(hackproof("run", toy, "--out", "file/run"), "cannot write", "--out")
    assert_bad(hackproof("run", toy, "--out", "/proc/run"), "cannot write", "--out")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB; root passes permission checks, but not this."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("this user cannot mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(hackproof, toy, small_disk):
    done = hackproof("run", toy, "--out", small_disk / "run", "--seeds", "40", "--workers", "1")
    assert_bad(done, "no space left", "--out", "goes on from the cells that are done")


def test_a_read_only_disk(hackproof, toy, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert_bad(hackproof("run", toy, "--out", small_disk / "run"), "Read-only file system")


def test_a_cell_cut_short_is_run_again_and_the_page_says_so(hackproof, toy, run):
    path = run / "cells/serves.2.seed1.parquet"
    path.write_bytes(path.read_bytes()[:64])
    done = hackproof("run", toy, "--out", run, "--workers", "0")
    assert done.returncode == 0, done.stderr
    assert "serves.2.seed1 is run again" in done.stdout
    assert "serves.2.seed1 is run again" in (run / "report.html").read_text()


def test_a_run_of_another_version_is_refused(hackproof, toy, run):
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hackproof": "0.0.1"}))
    assert_bad(hackproof("run", toy, "--out", run), "0.0.1", "can be read", "not continued")
    assert hackproof("report", run).returncode == 0


def test_report_and_figure(hackproof, run):
    done = hackproof("report", run, "--figure", "curve.svg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(run / "report.html"), "curve.svg"]


def test_verify(hackproof, run):
    done = hackproof("verify", run)  # the toy is not registered: its claims are undecided
    assert done.returncode == 2
    assert "not installed" in done.stdout
    (run / "cells/hacks.1.seed0.parquet").write_bytes(b"other")
    done = hackproof("verify", run)
    assert done.returncode == 1
    assert "cells/hacks.1.seed0.parquet: it was changed" in done.stdout


def test_query(hackproof, run):
    sql = "select arm, count(*) as n from measurements group by arm order by arm"
    assert hackproof("query", run, sql, "--format", "csv").stdout == "arm,n\nhacks,72\nserves,72\n"
    rows = hackproof("query", run, "select id, outcome from claims", "--format", "json").stdout
    assert json.loads(rows.splitlines()[0]) == {"id": "falls", "outcome": "reproduced"}
    assert "0" in hackproof("query", run, "select count(*) from transcripts").stdout
    assert_bad(hackproof("query", run, "selec 1"), "syntax error", "Tables:")
    assert_bad(hackproof("query", run, "select * from read_csv('/etc/passwd')"), "the query failed")


def test_compare(hackproof, toy, run, tmp_path):
    package.run(toy, out=tmp_path / "other", workers=0, seeds=2)
    done = hackproof("compare", run, tmp_path / "other")
    assert done.returncode == 0, done.stderr
    assert "hacks" in done.stdout


def test_doctor(hackproof):
    done = hackproof("doctor")
    assert done.returncode == 0
    for word in ("jax", "cores", "Landlock", "isolation of untrusted code"):
        assert word in done.stdout


def test_an_internal_error_is_3(hackproof, tmp_path):
    (tmp_path / "broken.py").write_text(
        "from hackproof.experiment import *\n"
        "import runpy, pathlib\n"
        f"toy = runpy.run_path({str(Path(__file__).parents[1] / 'toy_study.py')!r})['STUDY']\n"
        "import dataclasses\n"
        "def levels(settings): raise RuntimeError('a bug')\n"
        "STUDY = dataclasses.replace(toy, levels=levels)\n"
    )
    done = hackproof("run", "broken.py")
    assert done.returncode == 3
    assert "internal error" in done.stderr


@pytest.mark.parametrize(
    ("words", "limit"), [(["--help"], 0.25), (["run", "pan-2022-glucose", "--help"], 0.5)]
)
def test_help_does_not_import_the_heavy_libraries(words, limit, tmp_path):
    """The CPU time itself is in benchmarks/cli_startup.py; this is what decides it."""
    import sys

    code = (
        "import sys; sys.argv = ['hackproof', *sys.argv[1:]]\n"
        "from hackproof.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('jax', 'numpy', 'pandas', 'scipy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True,
                          env={**os.environ})  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "told"), [(["--seed", "-1"], "--seed -1"), (["--out", "taken"], "is a file")]
)
def test_organism_make_refuses_what_it_cannot_do(hackproof, tmp_path, words, told):
    (tmp_path / "taken").write_text("")
    done = hackproof("organism", "make", "--corpus.documents", "3", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
