"""Hostile submissions: none affects the caller, the worker or a later run.

The same table runs as whoever runs the tests and, from root, once more as an ordinary user.
"""

import os
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hackproof.errors import SandboxError
from hackproof.sandbox import Limits, Result, Sandbox

LIMITS = Limits(
    seconds=3,
    cpu_seconds=1,
    memory_mib=128,
    processes=8,
    output_bytes=4096,
    disk_mib=2,
)
SYSCALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine == "x86_64"
def sys_(a, b, *args):
    r = libc.syscall(ctypes.c_long(a if x86 else b), *[ctypes.c_long(x) for x in args])
    return 0 if r >= 0 else ctypes.get_errno()
"""


@dataclass(frozen=True)
class Case:
    source: str
    holds: Callable[[Result], bool]
    collect: tuple[str, ...] = ()


def says(text: str) -> Callable[[Result], bool]:
    return lambda result: result.stdout.split() == text.split()


def ended(*statuses: str) -> Callable[[Result], bool]:
    return lambda result: result.status in statuses


def denied(name: str, x86: int, arm: int, *arguments: int, error: str = "EPERM") -> Case:
    words = ", ".join(map(str, arguments))
    source = f"{SYSCALL}\nprint(sys_({x86}, {arm}, {words}) == errno.{error})"
    return Case(source, says("True"))


def refused(statement: str, setup: str = "") -> Case:
    body = f"{setup}\ntry:\n    {statement}\n    print('done')\nexcept OSError:\n    print('no')"
    return Case(f"import os, socket, resource, ctypes\n{body}", says("no"))


CASES = {
    # the verdict: an exit status is reported, no more
    "exit at import": Case("raise SystemExit(0)", lambda r: r.exit_code == 0 and not r.stdout),
    "hard exit": Case("import os; os._exit(0)", ended("exited")),
    "exit handler": Case(
        "import atexit, os; atexit.register(os._exit, 0); assert 0", ended("exited")
    ),
    "exec": Case("import os; os.execv('/bin/sh', ['sh', '-c', 'echo hi'])", says("hi")),
    # signals
    "kill the parent": Case("import os; os.kill(os.getppid(), 9)", lambda r: r.signal == 9),
    "kill process 1": Case(
        """
        import os
        for n in range(1, 65):
            try: os.kill(1, n)
            except OSError: pass
        print("on")
        """,
        says("on"),
    ),
    "kill everything": Case("import os; os.kill(-1, 9); print('on')", ended("exited", "signalled")),
    "kill every number": Case(
        """
        import os
        for pid in range(1, 40000):
            if pid != os.getpid():
                try: os.kill(pid, 9)
                except OSError: pass
        print("on")
        """,
        says("on"),
    ),
    "interrupt process 1 a thousand times": Case(
        """
        import os, signal
        for _ in range(1000):
            for n in (signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1):
                try: os.kill(1, n)
                except OSError: pass
        print("on")
        """,
        says("on"),
    ),
    "stop itself": Case("import os; os.kill(os.getpid(), 19)", ended("timeout")),
    "deaf to signals": Case(
        """
        import signal
        for n in signal.valid_signals():
            try: signal.signal(n, signal.SIG_IGN)
            except OSError: pass
        while True: pass
        """,
        ended("timeout"),
    ),
    "crash": Case("import ctypes; ctypes.string_at(0)", lambda r: r.signal == 11),
    "abort": Case("import os; os.abort()", lambda r: r.signal == 6),
    "terminates itself": Case(
        "import os; os.kill(os.getpid(), 15)", lambda r: r.status == "signalled" and r.signal == 15
    ),
    # time
    "sleeps": Case("import time; time.sleep(60)", ended("timeout")),
    "sleeps without output": Case(
        "import os, time; os.closerange(0, 256); time.sleep(60)", ended("timeout")
    ),
    "thread that never ends": Case(
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()",
        ended("timeout"),
    ),
    # processes
    "fork bomb": Case(
        """
        import os
        while True:
            try: os.fork()
            except OSError: pass
        """,
        ended("timeout"),
    ),
    "fork bomb that leaves": Case(
        """
        import os, time
        if os.fork() == 0:
            while True:
                try:
                    if os.fork(): os._exit(0)
                except OSError: pass
        time.sleep(0.2); print("gone")
        """,
        says("gone"),
    ),
    "thread bomb": Case(
        """
        import os, threading, time
        n = 0
        try:
            while n < 1000:
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); n += 1
        except RuntimeError: pass
        print(n < 16, flush=True); os._exit(0)
        """,
        says("True"),
    ),
    "daemon": Case(
        """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(0.3); open("/tmp/late", "w").write("x"); time.sleep(60)
            os._exit(0)
        os.wait(); print("left")
        """,
        says("left"),
    ),
    "orphans do not use up its limit": Case(
        """
        import os, time
        for _ in range(40):
            if os.fork() == 0:
                if os.fork() == 0: os._exit(0)
                os._exit(0)
            os.wait(); time.sleep(0.005)
        print("ok")
        """,
        says("ok"),
    ),
    # memory
    "memory": Case("x = bytearray(1 << 30)", ended("memory")),
    "memory, bit by bit": Case("x = []\nwhile True: x.append(bytearray(1 << 20))", ended("memory")),
    "memory, shared": Case(
        "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 22))",
        lambda r: r.exit_code == 1,
    ),
    "memory of many processes": Case(
        """
        import os, time
        for _ in range(6):
            if os.fork() == 0: break
        x = bytearray(60 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(60)
        """,
        ended("memory"),
    ),
    "memory file": denied("memfd_create", 319, 279, 0, 0),
    "shared memory segment": denied("shmget", 29, 194, 0, 4096, 0o1600),
    "message queue": denied("msgget", 68, 186, 0, 0o1600),
    "raises its limits": Case(
        """
        import resource
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
            try:
                resource.setrlimit(kind, (resource.RLIM_INFINITY,) * 2); print("done")
            except (OSError, ValueError): print("no")
        """,
        says("no no no"),
    ),
    # disk
    "fills the disk": Case(
        """
        n = 0
        try:
            for n in range(100):
                open(f"f{n}", "wb").write(bytes(1 << 18))
        except OSError: pass
        print(n < 9)
        """,
        says("True"),
    ),
    "fills the inodes": Case(
        """
        n = 0
        try:
            for n in range(100000): open(f"f{n}", "x").close()
        except OSError: pass
        print(n < 5000)
        """,
        says("True"),
    ),
    "sparse file": refused("os.truncate('f', 1 << 40)", "open('f', 'w').close()"),
    "deep folders": Case(
        """
        import os
        for n in range(700):
            os.mkdir("d"); os.chdir("d")
        print("deep")
        """,
        says("deep"),
    ),
    "closes its folders": Case(
        "import os\nfor d in ('.', '/tmp', os.environ['HOME']): os.chmod(d, 0)\nprint('shut')",
        says("shut"),
        ("a",),
    ),
    # output
    "floods stdout": Case(
        "while True: print('x' * 65536)", lambda r: r.status == "timeout" and len(r.stdout) <= 4096
    ),
    "floods stderr": Case(
        "import os\nfor _ in range(500): os.write(2, b'x' * 65536)",
        lambda r: r.truncated and len(r.stderr) == 4096 and r.exit_code == 0,
    ),
    "not text": Case("import os; os.write(1, bytes(range(256)))", ended("exited")),
    "writes to every descriptor": Case(
        """
        import os
        held = []
        for fd in range(3, 256):
            try: os.write(fd, b'{"ended_by": "", "status": 0}\\n["v",1]\\n'); held.append(fd)
            except OSError: pass
        print(held)
        """,
        says("[3]"),
    ),
    # what is left behind
    "leaves files": Case(
        """
        import os
        for d in (".", "/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"]):
            open(d + "/sitecustomize.py", "w").write("raise SystemExit(0)")
        print("left")
        """,
        says("left"),
    ),
    "shadows modules": Case(
        "for m in ('json', 'os', 'random'): open(m + '.py', 'w').write('raise SystemExit(0)')",
        ended("exited"),
    ),
    "patches the interpreter": Case(
        "import builtins, json, os; builtins.len = lambda x: 0; json.loads = None; os.write = None",
        ended("exited"),
    ),
    "writes to the library": refused("open(os.__file__ + '.py', 'w')"),
    "writes to /etc": refused("open('/etc/passwd', 'w')"),
    "writes to /usr/bin": refused("open('/usr/bin/hackproof-test', 'w')"),
    "abstract socket left": Case(
        """
        import os, socket, time
        s = socket.socket(socket.AF_UNIX); s.bind(b"\\0hackproof"); s.listen()
        if os.fork() == 0: time.sleep(60)
        print("bound")
        """,
        says("bound"),
    ),
    # the network
    "connects": refused("socket.create_connection(('127.0.0.1', 80), 0.2)"),
    "sends a datagram": refused("socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
    "connects by IPv6": refused("socket.socket(socket.AF_INET6)"),
    "asks the kernel by netlink": refused("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
    "raw packets": refused("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    # other processes
    "reads /proc": refused("open('/proc/1/mem', 'rb')"),
    "ptrace": denied("ptrace", 101, 117, 16, 1, 0, 0),
    "reads another's memory": denied("process_vm_readv", 310, 270, 1, 0, 0, 0, 0, 0),
    "limits process 1": Case(
        SYSCALL
        + "two = (ctypes.c_ulong * 2)(0, 0)\n"
        + "print(sys_(302, 261, 1, 0, ctypes.addressof(two), 0) == errno.EPERM)",
        says("True"),
    ),
    "takes process 1's descriptors": Case(
        SYSCALL + "fd = os.pidfd_open(1)\nprint(sys_(438, 438, fd, 5, 0) == errno.EPERM)",
        says("True"),
    ),
    "slows process 1": Case(
        """
        import os
        for n in (1, 0):
            try: os.setpriority(os.PRIO_PROCESS, n, 19); os.sched_setaffinity(n, {0})
            except OSError: pass
        try: os.setpriority(os.PRIO_USER, 0, 19)
        except OSError: pass
        print("slow")
        """,
        says("slow"),
    ),
    # the kernel
    "user namespace": denied("unshare", 272, 97, 0x10000000),
    "namespace by clone": denied("clone", 56, 220, 0x10000000 | 17, 0, 0, 0, 0),
    "namespace by clone3": denied("clone3", 435, 435, 0, 88, error="ENOSYS"),
    "mount": denied("mount", 165, 40, 0, 0, 0, 0, 0),
    "takes its disk away": denied("umount2", 166, 39, 0, 2),
    "pivot_root": denied("pivot_root", 155, 41, 0, 0),
    "chroot": refused("os.chroot('/tmp')"),
    "new mount calls": denied("fsopen", 430, 430, 0, 0),
    "io_uring": denied("io_uring_setup", 425, 425, 1, 0),
    "bpf": denied("bpf", 321, 280, 0, 0, 0),
    "perf": denied("perf_event_open", 298, 241, 0, 0, 0, 0, 0),
    "keys": denied("keyctl", 250, 219, 0, 0),
    "userfaultfd": denied("userfaultfd", 323, 282, 1),
    "a call from the future": denied("", 470, 470, error="ENOSYS"),
    "the x32 interface": Case(
        SYSCALL + "print(sys_(0x40000000 + 39, 5000) == errno.ENOSYS)", says("True")
    ),
    "a device": refused("os.mknod('sda', 0o60600, os.makedev(8, 0))"),
    "becomes root": refused("os.setuid(0)"),
    # what the caller reads
    "link to a file of the system": Case(
        "import os; os.symlink('/etc/passwd', 'a')", lambda r: not r.files, ("a",)
    ),
    "link in the way": Case(
        "import os; os.symlink('/etc', 'd')", lambda r: not r.files, ("d/passwd",)
    ),
    "link that moves": Case(
        """
        import os
        if os.fork() == 0:
            while True:
                open("b", "w").write("own"); os.replace("b", "a")
                os.symlink("/etc/passwd", "b"); os.replace("b", "a")
        import time; time.sleep(0.1)
        """,
        lambda r: r.status == "exited" and r.files.get("a", b"own") in (b"own", b""),
        ("a",),
    ),
    "pipe for a file": Case("import os; os.mkfifo('a')", lambda r: not r.files, ("a",)),
    "folder for a file": Case("import os; os.mkdir('a')", lambda r: not r.files, ("a",)),
    "sparse file to collect": Case(
        "import os\nfor f in 'ab':\n open(f, 'w').close(); os.truncate(f, 1500000)",
        lambda r: list(r.files) == ["a"],
        ("a", "b"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox():
    try:
        made = Sandbox(LIMITS)
    except SandboxError as error:
        pytest.skip(f"no strong isolation here: {error}")
    with made:
        yield made


def leftovers(sandbox: Sandbox) -> list[str]:
    """Return the processes below the worker that no run accounts for."""
    worker = sandbox._worker.pid
    tasks = Path(f"/proc/{worker}/task/{worker}/children")
    if not tasks.exists():
        pytest.skip("/proc does not list children here")
    (inner,) = tasks.read_text().split()
    return Path(f"/proc/{inner}/task/{inner}/children").read_text().split()


HONEST = """
import os
def look(x):
    home = os.environ["HOME"]
    seen = [os.listdir(d) for d in ("/tmp", "/dev/shm", home)]
    return x * 2, sorted(os.listdir(".")), seen, os.getpid(), os.getpriority(os.PRIO_PROCESS, 0)
"""


@pytest.mark.parametrize("name", CASES)
def test_hostile_submissions_affect_nothing_else(sandbox: Sandbox, tmp_path: Path, name: str):
    case = CASES[name]
    witness = tmp_path / "witness"
    witness.write_text("untouched")
    worker, here = sandbox._worker.pid, sorted(os.listdir("."))
    nice = os.getpriority(os.PRIO_PROCESS, 0)

    began = time.monotonic()
    result = sandbox.run({"main.py": textwrap.dedent(case.source)}, collect=case.collect)

    assert case.holds(result), result
    assert result.status != "infra", "a submission must not be able to void its own run"
    assert time.monotonic() - began < 30
    assert (sandbox._worker.pid, sandbox._worker.alive) == (worker, True)
    assert leftovers(sandbox) == []
    assert witness.read_text() == "untouched"
    assert sorted(os.listdir(".")) == here

    after = sandbox.call(HONEST, "look", [[21]], limits=Limits(seconds=30))
    assert after.claims[0].value == (42, ["submission.py"], [[], [], []], 2, nice), after


def test_there_are_at_least_forty():
    assert len(CASES) >= 40


SEARCH = """
import ctypes, gc, os, re
wanted = re.compile(rb"q[u]okka-[0-9]{4}")  # which does not match this line
found = any(
    wanted.search(repr(each).encode()) for each in gc.get_objects() if type(each) in (dict, list)
)
reader, writer = os.pipe()
starts = [id(object()), id(bytearray(1 << 16)), id(str(1.5) * 99)]
for start in starts:
    for page in range((start >> 12) - 2048, (start >> 12) + 2048):
        try:
            os.write(writer, (ctypes.c_char * 4096).from_address(page << 12))
        except OSError:
            continue
        found |= wanted.search(os.read(reader, 4096)) is not None
print(found)
"""


def test_a_run_finds_nothing_of_an_earlier_one_in_its_memory(sandbox: Sandbox):
    token = "quokka-5521"
    sandbox.run({"main.py": f"print('{token}')", token: token}, ["main.py", token], stdin=token)
    sandbox.call(f"def f(x): return '{token}' + x", "f", [[token]])
    sandbox.run({"main.py": f"open('a', 'w').write('{token}')"}, collect=["a"])
    limits = Limits(seconds=30, cpu_seconds=30)
    assert sandbox.run({"main.py": SEARCH}, limits=limits).stdout == "False\n"
    planted = f"x = ['{token[:6]}' + '{token[6:]}']\n" + SEARCH
    assert sandbox.run({"main.py": planted}, limits=limits).stdout == "True\n"


CLAIMS = {
    "equal to everything": (
        "class A:\n __eq__ = lambda s, o: True\nf = lambda: A()",
        "unserialisable",
    ),
    "list that is equal to everything": (
        "class A(list):\n __eq__ = lambda s, o: True\nf = lambda: A([1])",
        "unserialisable",
    ),
    "not a number": ("f = lambda: float('nan')", "unserialisable"),
    "infinite": ("f = lambda: [1e308 * 10]", "unserialisable"),
    "deep": ("def f():\n x = []\n for _ in range(10**5): x = [x]\n return x", "unserialisable"),
    "deep, by its own hand": (
        "import os\ndef f(): os.write(3, b'[' * 10**5 + b'\\n')",
        "unserialisable",
    ),
    "circular": ("def f():\n x = []\n x.append(x)\n return x", "unserialisable"),
    "doubling": ("def f():\n x = 1\n for _ in range(60): x = (x, x)\n return x", "unserialisable"),
    "huge integer": ("f = lambda: 10 ** 10**6", "unserialisable"),
    "huge integer, by its own hand": (
        "import os\ndef f(): os.write(3, b'[\"t\",\"v\",' + b'9' * 60000 + b']\\n')",
        "unserialisable",
    ),
    "out of range, by its own hand": (
        'import os\ndef f(): os.write(3, b\'["t","v",1e999]\\n\')',
        "unserialisable",
    ),
    "not this encoding": ("import os\ndef f(): os.write(3, b'{\"a\": 1}\\n')", "unserialisable"),
    "half a line": ('import os\ndef f(): os.write(3, b\'["t","v",\'); os._exit(0)', "missing"),
    "exits": ("import sys\ndef f(): sys.exit(0)", "missing"),
    "closes its claims": ("import os\ndef f(): os.close(3)", "missing"),
    "floods its claims": ("import os\ndef f():\n while True: os.write(3, b'x' * 65536)", "missing"),
    "does not compile": ("def f(:", "missing"),
    "is not there": ("g = 1", "error"),
    "error without words": (
        "class E(Exception):\n __str__ = lambda s: 1 / 0\ndef f(): raise E",
        "error",
    ),
    "lone surrogate": ("f = lambda: '\\ud800'", "value"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_hostile_claims(sandbox: Sandbox, name: str):
    source, status = CLAIMS[name]
    result = sandbox.call(source, "f", [[]], limits=replace(LIMITS, seconds=30))
    assert [each.status for each in result.claims] == [status], result
    assert result.status != "infra"
    assert sandbox.call("f = lambda x: x", "f", [[1]]).claims[0].value == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="the whole file already runs as an ordinary user")
def test_all_of_this_as_an_ordinary_user(ordinary):
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    words += ["--rootdir", str(Path(__file__).parent), "-c", os.devnull]
    words += ["--import-mode=importlib", "--basetemp={folder}/t", __file__]
    done = ordinary(*words)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"{len(CASES) + len(CLAIMS) + 2} passed" in done.stdout, done.stdout[-3000:]
