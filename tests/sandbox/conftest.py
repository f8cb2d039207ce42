"""Running a test's program as an ordinary user, from root."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

AS_ORDINARY = """
import os, sys
from hackproof.sandbox import _linux
prefix, base, *command = sys.argv[1:]
_linux.unshare(_linux.CLONE_NEWNS, "mount")
_linux.mount("none", "/", None, _linux.MS_REC | _linux.MS_PRIVATE)
top = next((str(p) for p in reversed([prefix, *__import__("pathlib").Path(prefix).parents])
            if not os.stat(p).st_mode & 1), "")
if top:  # the interpreter lies where only root can go
    fd = os.open(prefix, os.O_PATH)
    _linux.mount("tmpfs", top, "tmpfs", 0, "mode=755")
    os.makedirs(prefix, exist_ok=True)
    _linux.mount(f"/proc/self/fd/{fd}", prefix, None, _linux.MS_BIND | _linux.MS_REC)
os.chown(base, 65534, 65534)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.execv(command[0], command)
"""


@pytest.fixture
def ordinary():
    """Run the interpreter with words as user 65534, or as whoever this is if not root.

    `{folder}` in a word becomes a folder of that user's.
    """
    folder = tempfile.mkdtemp(prefix="hackproof-test-")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *(each.replace("{folder}", folder) for each in words)]
        if os.geteuid() == 0:
            prefix = os.path.realpath(sys.base_prefix)
            command = [sys.executable, "-c", AS_ORDINARY, prefix, folder, *command]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": folder, "TMPDIR": folder},
            timeout=600,
        )
        if "unshare(mount)" in done.stderr:
            pytest.skip("this root may not make a mount namespace")
        return done

    yield run
    shutil.rmtree(folder, ignore_errors=True)
