import os
import subprocess
import sys

import pytest

from hackproof.errors import IntegrityError, RunError
from hackproof.record import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write_file(path, "old")

    def broken(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(RunError, match="no space left"):
        files.write_file(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*f/x: Not a directory|File exists"):
        files.write_file(tmp_path / "f" / "x", "")


def test_cut_short_files_are_told(tmp_path):
    path = tmp_path / "t"
    for text in ("", '{"a": 1', "\xff"):
        path.write_text(text)
        with pytest.raises(IntegrityError, match="cut short"):
            files.read_json(path)
        with pytest.raises(IntegrityError, match="cut short"):
            files.read_parquet(path)
    with pytest.raises(IntegrityError, match="does not exist"):
        files.read_parquet(tmp_path / "none")


def test_the_lock_is_held_and_names_its_holder(tmp_path):
    code = (
        "import sys; from hackproof.record import files; from pathlib import Path\n"
        "with files.locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(RunError, match=f"in use by process {process.pid}"),
            files.locked(tmp_path),
        ):
            pass
    finally:
        process.kill()
        process.communicate()
    with files.locked(tmp_path):  # the kernel released it when the holder was killed
        pass


def test_digest_does_not_depend_on_order():
    assert files.digest({"a": 1, "b": [1, 2]}) == files.digest({"b": [1, 2], "a": 1})
    assert files.digest([1, 2]) != files.digest([2, 1])


def test_a_text_is_made_once_and_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HACKPROOF_NO_CACHE", raising=False)
    made = []

    def make():
        made.append(1)
        return "text"

    assert [files.cached("a.js", make) for _ in range(3)] == ["text"] * 3
    assert len(made) == 1
    monkeypatch.setenv("HACKPROOF_NO_CACHE", "1")
    assert files.cached("a.js", make) == "text"
    assert len(made) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "hackproof").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HACKPROOF_NO_CACHE", raising=False)
    assert files.cached("a.js", lambda: "text") == "text"
