"""What `Sandbox` returns for honest programs, and what happens when things are missing."""

import os
import signal
import subprocess
import tempfile
import textwrap
import threading
import venv
from pathlib import Path

import pytest

from hackproof.errors import InputError, SandboxError
from hackproof.sandbox import Isolation, Limits, Sandbox, _sandbox, probe

LIMITS = Limits(seconds=30)


@pytest.fixture(scope="module")
def sandbox():
    try:
        made = Sandbox(LIMITS)
    except SandboxError as error:
        pytest.skip(f"no strong isolation here: {error}")
    with made:
        yield made


def test_a_program_runs_as_main(sandbox: Sandbox):
    source = """
    import os, sys
    from pathlib import Path
    import helper
    assert __name__ == "__main__" and sys.modules["__main__"].helper is helper
    print(sys.argv[1:], helper.VALUE, sys.stdin.read(), Path("data/a.bin").read_bytes())
    print(os.getcwd() == sys.path[0] == os.path.dirname(__file__), file=sys.stderr)
    Path("out.txt").write_text("left")
    sys.exit(3)
    """
    files = {"main.py": textwrap.dedent(source), "helper.py": "VALUE = 7", "data/a.bin": b"\xff\0"}
    collect = ["out.txt", "data/a.bin", "absent"]
    result = sandbox.run(files, ["main.py", "a", "é"], stdin="typed", collect=collect)
    assert (result.status, result.exit_code, result.signal) == ("exited", 3, None)
    assert result.stdout == "['a', 'é'] 7 typed b'\\xff\\x00'\n"
    assert result.stderr == "True\n"
    assert result.files == {"out.txt": b"left", "data/a.bin": b"\xff\0"}
    assert result.claims == ()
    assert 0 < result.seconds < 30
    assert 0 < result.cpu_seconds < 5


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("pass", 0, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(257)", 1, ""),
        ("raise SystemExit(2**70)", 255, ""),
        ("raise SystemExit('why')", 1, "why\n"),
        ("import atexit; atexit.register(print, 'bye'); x", 1, "NameError"),
        ("f(", 1, "SyntaxError"),
        ("\0", 1, "Error"),
        ("\ud800", 1, "SyntaxError"),
        ("import threading; threading.Thread(target=print, args=('late',)).start()", 0, ""),
    ],
)
def test_ends_are_those_of_the_interpreter(sandbox: Sandbox, source: str, code: int, words: str):
    result = sandbox.run({"main.py": source})
    assert (result.status, result.exit_code) == ("exited", code)
    assert words in result.stderr
    assert "sandbox/_" not in result.stderr, "the harness is not in tracebacks"


def test_the_surroundings(sandbox: Sandbox):
    source = """
    import os, random, sys
    print(sorted(os.environ), os.listdir(os.environ["HOME"]), os.path.isdir("/proc"))
    print("hackproof" in sys.modules, any("hackproof" in each for each in sys.modules))
    print(os.path.isdir("/home"), random.random(), sys.flags.utf8_mode)
    try:
        import hackproof
    except ImportError:
        print("not there")
    """
    first, second = (sandbox.run({"main.py": textwrap.dedent(source)}).stdout for _ in "ab")
    assert first.startswith("['HOME', 'LANG', 'PATH'] [] False\nFalse False\nFalse ")
    assert first.endswith("not there\n")
    assert first != second, "random numbers differ from run to run"


def test_subprocesses_threads_and_common_modules_work(sandbox: Sandbox):
    source = """
    import asyncio, collections, concurrent.futures, dataclasses, decimal, json, subprocess, sys
    from multiprocessing import get_context
    def square(x): return x * x
    if __name__ == "__main__":
        print(subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout)
        with concurrent.futures.ThreadPoolExecutor(2) as pool: print(list(pool.map(square, [2, 3])))
        with get_context("fork").Pool(2) as pool: print(pool.map(square, [4, 5]))
        async def later(): await asyncio.sleep(0); return 6
        print(asyncio.run(later()))
    """
    result = sandbox.run({"main.py": textwrap.dedent(source)})
    assert result.stdout == "b'1\\n'\n[4, 9]\n[16, 25]\n6\n", result


def test_claims_keep_exact_types(sandbox: Sandbox):
    values = [None, True, 1, 1.0, "é", [1, (2,)], {1: {2.5}, "a": []}, set(), -0.0]
    result = sandbox.call("def f(x): return x", "f", [[each] for each in values])
    assert [each.status for each in result.claims] == ["value"] * len(values)
    assert [repr(each.value) for each in result.claims] == [repr(each) for each in values]


def test_calls_are_told_apart(sandbox: Sandbox):
    source = """
    import os, sys
    def f(x):
        if x == 0: raise ValueError("zero")
        if x == 1: return object()
        if x == 3: sys.exit(5)
        x.append(1) if isinstance(x, list) else None
        print("called")
        return x
    if __name__ == "__main__": raise RuntimeError("not reached")
    """
    result = sandbox.call(textwrap.dedent(source), "f", [[0], [1], [[2]], [[2]], [3], [4]])
    statuses = [each.status for each in result.claims]
    assert statuses == ["error", "unserialisable", "value", "value", "missing", "missing"]
    assert result.claims[0].error == "ValueError: zero"
    assert result.claims[2].value == result.claims[3].value == [2, 1]
    assert (result.exit_code, result.stdout) == (5, "called\n" * 2)


def test_no_inputs_give_no_claims(sandbox: Sandbox):
    assert sandbox.call("def f(): return 1", "f", []).claims == ()


def test_claims_beyond_their_bytes_are_missing(sandbox: Sandbox):
    limits = Limits(seconds=30, claim_bytes=1000)
    claims = sandbox.call("f = lambda n: 'x' * n", "f", [[500], [600], [1]], limits=limits).claims
    assert [each.status for each in claims] == ["value", "missing", "missing"]


def test_output_is_bounded(sandbox: Sandbox):
    result = sandbox.run(
        {"main.py": "print('x' * 10**6)"}, limits=Limits(seconds=30, output_bytes=10)
    )
    assert (result.stdout, result.truncated, result.exit_code) == ("x" * 10, True, 0)


def test_all_that_was_written_comes_back(sandbox: Sandbox):
    source = """
    import os, sys
    text = "".join(f"{number:07}\\n" for number in range(40000))
    sys.stderr.write(text)
    print(text, end="")
    with open("kept", "w") as file: file.write(text)
    os.write(3, b"noise" * 50000)
    """
    program = {"main.py": textwrap.dedent(source)}
    expected = "".join(f"{number:07}\n" for number in range(40000))
    limits = Limits(seconds=30, output_bytes=1 << 20)
    for collect in ([], ["kept"]):
        result = sandbox.run(program, collect=collect, limits=limits)
        assert (result.status, result.exit_code, result.truncated) == ("exited", 0, False)
        assert result.stdout == result.stderr == expected
        assert result.files == dict.fromkeys(collect, expected.encode())


def test_a_program_can_read_and_remove_its_own_file(sandbox: Sandbox):
    source = "import os\nprint(open(__file__).read()[:9])\nos.unlink(__file__)\n1 / 0\n"
    result = sandbox.run({"main.py": source})
    assert (result.stdout, result.exit_code) == ("import os\n", 1)
    assert "ZeroDivisionError" in result.stderr


def test_what_the_worker_is_told_does_not_reach_a_run(sandbox: Sandbox):
    source = """
    import os, subprocess, sys
    show = "import os; print(sorted(os.environ))"
    command = [sys.executable, "-c", show]
    print(subprocess.run(command, capture_output=True, text=True).stdout, end="")
    print([each for each in sys.modules if "worker" in each or each.endswith("_child")])
    """
    result = sandbox.run({"main.py": textwrap.dedent(source)})
    assert result.stdout == "['HOME', 'LANG', 'PATH']\n[]\n", result


def test_limits_name_themselves(sandbox: Sandbox):
    burn = sandbox.run({"main.py": "while True: pass"}, limits=Limits(seconds=60, cpu_seconds=0.5))
    assert (burn.status, "CPU" in burn.reason) == ("timeout", True)
    sleep = sandbox.run({"main.py": "import time; time.sleep(9)"}, limits=Limits(seconds=0.3))
    assert (sleep.status, sleep.exit_code, sleep.signal) == ("timeout", None, signal.SIGKILL)
    memory = sandbox.run({"main.py": "x = bytearray(1 << 30)"})
    assert (memory.status, memory.exit_code) == ("memory", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ({"/etc/passwd": ""},),
        ({"../a": ""},),
        ({"a//b": ""},),
        ({"./a": ""},),
        ({"a/": ""},),
        ({".": ""},),
        ({"": ""},),
        ({"a\0": ""},),
        ({"main.py": "", "main.py/b": ""},),
        ({"main.py": "", "a/b": "", "a/b/c/d": ""},),
        ({"main.py": "x" * (17 << 20)},),
        ({"other.py": ""},),
        ({"main.py": ""}, ["main.py", "\0"]),
        ({"main.py": ""}, []),
    ],
)
def test_unusable_files_are_the_callers_error(sandbox: Sandbox, arguments):
    with pytest.raises(InputError):
        sandbox.run(*arguments)


def test_inputs_that_are_not_plain_are_the_callers_error(sandbox: Sandbox):
    with pytest.raises(InputError, match="input 1"):
        sandbox.call("", "f", [[1], [object()]])


@pytest.mark.parametrize("change", [{"seconds": 0}, {"processes": 1.5}, {"memory_mib": True}])
def test_limits_are_checked(change):
    with pytest.raises(InputError):
        Limits(**change)


def test_preloaded_packages_can_be_imported_and_no_others():
    with Sandbox(LIMITS, preload=("numpy",)) as sandbox:
        source = "def f(x):\n import numpy as np\n return float(np.random.rand()), int(np.sum(x))"
        first, second = (sandbox.call(source, "f", [[[1, 2]]]).claims[0].value for _ in "ab")
        assert first[1] == second[1] == 3
        assert first[0] != second[0], "numpy's seed differs from run to run"
        other = sandbox.run({"main.py": "import pytest"})
        assert "No module named 'pytest'" in other.stderr


@pytest.mark.parametrize("where", ["/tmp", "/var/tmp"])
def test_an_environment_may_lie_among_temporary_files(where):
    """A clone in /tmp has its packages there; runs still have a place for files of their own."""
    code = (
        "from hackproof.sandbox import Sandbox\n"
        "with Sandbox(preload=('tiny',)) as box:\n"
        "    source = 'import tempfile, tiny\\ndef f():\\n'\\\n"
        "        '    with tempfile.TemporaryFile() as file:\\n'\\\n"
        "        '        return tiny.VALUE, file.write(b\"x\")'\n"
        "    print(box.call(source, 'f', [[]]).claims[0].value)\n"
    )
    with tempfile.TemporaryDirectory(dir=where) as folder:
        venv.create(folder, with_pip=False, symlinks=True)
        (packages,) = Path(folder).glob("lib/python*/site-packages")
        (packages / "tiny.py").write_text("VALUE = 7\n")
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        done = subprocess.run(
            [f"{folder}/bin/python", "-c", code], env=environment, capture_output=True, text=True
        )
    assert done.stdout.strip() in ("[7, 1]", "(7, 1)"), done.stderr


def test_what_cannot_be_preloaded_is_an_error():
    with pytest.raises(SandboxError, match="no_such_module"):
        Sandbox(preload=("no_such_module",))


def test_a_killed_worker_costs_one_run(sandbox: Sandbox):
    with Sandbox(LIMITS) as mine:
        first = mine._worker.pid
        killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
        killer.start()
        lost = mine.run({"main.py": "import time; time.sleep(20)"})
        assert (lost.status, lost.exit_code) == ("infra", None)
        assert "worker" in lost.reason
        lost_claims = mine.call("f = lambda: 1", "f", [[]])
        assert lost_claims.claims[0].value == 1
        assert mine._worker.pid != first


def test_a_stopped_worker_is_replaced():
    with Sandbox(LIMITS) as mine:
        os.kill(mine._worker.pid, signal.SIGKILL)
        mine._worker._process.wait()
        assert mine.run({"main.py": "print(1)"}).stdout == "1\n"


def test_nothing_is_left_when_it_is_closed():
    mine = Sandbox(LIMITS)
    pid = mine._worker.pid
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        mine.run({"main.py": "print(1)"})
    assert len(os.listdir("/proc/self/fd")) == before
    mine.close()
    mine.close()
    assert not os.path.exists(f"/proc/{pid}")
    with pytest.raises(SandboxError, match="closed"):
        mine.run({"main.py": ""})


def test_threads_share_it(sandbox: Sandbox):
    found = {}

    def ask(n: int) -> None:
        for _ in range(3):
            found[n] = sandbox.call("f = lambda x: x", "f", [[n]]).claims[0].value

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == {n: n for n in range(6)}


def test_the_probe_says_what_there_is(sandbox: Sandbox):
    isolation = probe()
    assert isolation.strength == "strong"
    assert all(isolation.features[name] for name in _sandbox.REQUIRED)
    assert set(isolation.missing) == {n for n, there in isolation.features.items() if not there}
    assert isolation.describe().startswith("isolation: strong\n  yes ")


def missing(name: str) -> Isolation:
    features = dict.fromkeys(_sandbox.FEATURES, True) | {name: False}
    return _sandbox._isolation(features, {name: "pretended"})


@pytest.mark.parametrize("name", _sandbox.REQUIRED)
def test_each_required_feature_is_required(monkeypatch, name: str):
    assert missing(name).strength in ("partial", "none")
    monkeypatch.setattr(_sandbox, "_try", lambda profile, preload: (None, missing(name)))
    with pytest.raises(SandboxError, match=rf"{name}.*pretended"):
        Sandbox()


def test_landlock_is_a_second_wall():
    assert missing("landlock").strength == "strong"


def test_another_system_is_refused(monkeypatch):
    monkeypatch.setattr(_sandbox._protocol, "supported", lambda: "Plan 9 is not Linux")
    assert probe().strength == "none"
    for require in ("strong", "partial"):
        with pytest.raises(SandboxError, match="Plan 9 is not Linux"):
            Sandbox(require=require)


def test_an_unknown_requirement_is_refused():
    with pytest.raises(InputError, match="require"):
        Sandbox(require="none")


# A kernel that refuses: a filter over the whole process, as a container has one.
REFUSING = """
import errno, os, sys, warnings
from hackproof.errors import SandboxError
from hackproof.sandbox import Limits, Sandbox, _linux, _seccomp, probe
column = 0 if _linux.MACHINE == "x86_64" else 1
names = {}
for name in sys.argv[1].split(","):
    numbers = (444, 444) if name == "landlock" else _seccomp.DENIED[name]
    names[numbers[column]] = _seccomp._refuse(errno.EPERM)
starts = [0, *sorted(n + after for n in names for after in (0, 1))]
bodies = [names.get(n, _seccomp._ALLOWED) for n in starts]
rules = _seccomp._instruction(_seccomp._LOAD, _seccomp._NR) + _seccomp._tree(starts, bodies)
_linux.no_new_privileges()
_seccomp.Filter(rules).install()
print(probe().describe())
try:
    Sandbox()
    print("strong: given")
except SandboxError as error:
    print("strong:", error)
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    try:
        sandbox = Sandbox(Limits(seconds=30), require="partial")
    except SandboxError as error:
        sys.exit(f"partial: {error}")
print("warnings:", [each.category.__name__ for each in caught])
with sandbox:
    for source in sys.argv[2:]:
        result = sandbox.run({"main.py": source}, collect=["kept"])
        print("->", result.status, result.stdout.strip(), dict(result.files))
    box = sandbox._worker.box
    print("left:", os.listdir(box) if box else [])
print("gone:", not box or not os.path.exists(box))
"""


def test_without_landlock_it_is_still_strong_and_says_so(ordinary):
    done = ordinary("-c", REFUSING, "landlock", "print(1)")
    assert "isolation: strong" in done.stdout, done.stdout + done.stderr
    assert "no  landlock: " in done.stdout
    assert "strong: given" in done.stdout
    assert "-> exited 1 {}" in done.stdout
    assert "warnings: []" in done.stdout


HOSTILE_IN_PART = (
    "print(6 * 7); open('kept', 'w').write('x')",
    "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "import os; os.fork()",
    "import socket; socket.socket(socket.AF_UNIX)",
    "import os; os.mkdir('/tmp/hackproof-left-behind')",
    "import os; print(len(os.listdir('/tmp')))",
    "import os, fcntl; r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())",
    "import os; os.chmod('.', 0)\nfor _ in range(3): print('shut')",
    "import threading; t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()",
)


def test_in_a_container_it_takes_the_word_partial(ordinary):
    done = ordinary("-c", REFUSING, "unshare", *HOSTILE_IN_PART)
    lines = done.stdout.splitlines()
    assert "isolation: partial" in lines, done.stdout + done.stderr
    assert "  no  user_namespace: unshare(user): Operation not permitted" in lines
    (refusal,) = [each for each in lines if each.startswith("strong: ")]
    assert "user_namespace" in refusal
    assert "require='partial'" in refusal
    assert "warnings: ['RuntimeWarning']" in lines
    found = [each for each in lines if each.startswith("-> ")]
    assert found[0] == "-> exited 42 {'kept': b'x'}"
    assert found[1:7] == ["-> exited  {}"] * 6, found
    assert found[-1] == "-> exited thread {}"
    assert lines[-2:] == ["left: []", "gone: True"]


@pytest.mark.parametrize("names", ["unshare,landlock"])
def test_with_less_nothing_is_run(ordinary, names: str):
    done = ordinary("-c", REFUSING, names)
    assert "isolation: none" in done.stdout, done.stdout + done.stderr
    assert "partial: this machine does not give partial isolation" in done.stderr
