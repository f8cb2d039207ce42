"""The filter: its numbers against the headers, and its program run by an interpreter of BPF."""

import errno
import re
import struct
from pathlib import Path

import pytest

from hackproof.sandbox import _seccomp

HEADERS = {
    0: (
        "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "/usr/include/asm/unistd_64.h",
    ),
    1: ("/usr/include/asm-generic/unistd.h",),
}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = 0x7FFF0000, 0x80000000


@pytest.mark.parametrize("column", [0, 1])
def test_numbers_are_those_of_the_headers(column: int):
    header = next((Path(each) for each in HEADERS[column] if Path(each).exists()), None)
    if header is None:
        pytest.skip("the kernel's headers are not installed")
    text = header.read_text()
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    named = {name: numbers[column] for name, numbers in _seccomp.DENIED.items()}
    for name, number in named.items():
        if name in found:
            assert int(found[name]) == number, name
        else:  # newer than these headers, or not on this processor
            assert number == -1 or number > 400, name


def decide(machine: str, nr: int, *arguments: int, alone: int = 0, arch: int | None = None) -> int:
    """Run the program on one call and return its verdict."""
    words = [each & (2**64 - 1) for each in (*arguments, *[0] * 6)[:6]]
    data = struct.pack("=IIQ6Q", nr, arch or ARCHITECTURES[machine], 0, *words)
    code = list(struct.iter_unpack("=HBBI", _seccomp.program(machine, alone)))
    place = value = 0
    for _ in range(len(code)):
        kind, true, false, k = code[place]
        place += 1
        if kind == 0x20:
            (value,) = struct.unpack_from("=I", data, k)
        elif kind == 0x06:
            return k
        else:
            holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[kind]
            place += true if holds else false
    raise AssertionError("the program does not end")


def refusal(error: int) -> int:
    return 0x50000 | error


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_each_named_call_is_refused_and_no_other(machine: str):
    column = list(ARCHITECTURES).index(machine)
    denied = {numbers[column] for numbers in _seccomp.DENIED.values()}
    special = {each[column] for each in (_seccomp._CLONE, _seccomp._SOCKET, _seccomp._PRLIMIT)}
    clone3 = _seccomp._CLONE3[column]
    for nr in range(_seccomp._NEWEST + 1):
        verdict = decide(machine, nr)
        if nr in denied:
            assert verdict == refusal(errno.EPERM), nr
        elif nr == clone3:
            assert verdict == refusal(errno.ENOSYS)
        elif nr not in special:
            assert verdict == ALLOW, nr
    assert decide(machine, _seccomp._NEWEST + 1) == refusal(errno.ENOSYS)
    assert decide(machine, 0x40000000) == refusal(errno.ENOSYS)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_another_architecture_is_killed(machine: str):
    assert decide(machine, 0, arch=0x40000003) == KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_arguments_decide(machine: str):
    column = list(ARCHITECTURES).index(machine)
    clone, socket = _seccomp._CLONE[column], _seccomp._SOCKET[column]
    prlimit = _seccomp._PRLIMIT[column]
    assert decide(machine, clone, 17) == ALLOW
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert decide(machine, clone, 17 | 1 << bit) == refusal(errno.EPERM)
    assert decide(machine, socket, 1) == ALLOW
    for family in (0, 2, 10, 16, 17, 40):
        assert decide(machine, socket, family) == refusal(errno.EPERM)
    assert decide(machine, prlimit, 0) == ALLOW
    for pid in (1, -1, 1 << 32):
        assert decide(machine, prlimit, pid) == refusal(errno.EPERM)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_alone_it_neither_forks_nor_signals_others(machine: str):
    column = list(ARCHITECTURES).index(machine)
    clone, kill = _seccomp._CLONE[column], _seccomp._KILL[column]
    assert decide(machine, clone, 17, alone=77) == refusal(errno.EPERM)
    assert decide(machine, clone, 0x3D0F00, alone=77) == ALLOW  # a thread
    assert decide(machine, kill, 77, alone=77) == ALLOW
    for pid in (0, 1, -1, 76, -77):
        assert decide(machine, kill, pid, alone=77) == refusal(errno.EPERM)
    assert decide(machine, _seccomp._SOCKET[column], 1, alone=77) == refusal(errno.EPERM)
    fcntl = _seccomp._FCNTL[column]
    assert decide(machine, fcntl, 1, 8, alone=77) == refusal(errno.EPERM)
    assert decide(machine, fcntl, 1, 1, alone=77) == ALLOW
