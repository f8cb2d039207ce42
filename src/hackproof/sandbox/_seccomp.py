"""The system call filter: classic BPF, written by hand.

What is named here is refused, what is newer than this list does not exist (ENOSYS), and the
rest is allowed. The filter stays through fork and exec.

Source: seccomp(2); the kernel's Documentation/userspace-api/seccomp_filter.rst; the numbers
are those of asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from . import _linux

# name: (x86_64, aarch64), -1 where there is none
DENIED = {
    # reading and writing other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # file systems and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "sysfs": (139, -1),
    "ustat": (136, -1),
    # large and often attacked parts of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "vmsplice": (278, 75),
    "modify_ldt": (154, -1),
    "personality": (135, 92),
    "uselib": (134, -1),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "remap_file_pages": (216, 234),
    # memory outside the limits on address space and disk
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    # what outlives the process that made it
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, -1),
    "ioperm": (173, -1),
}

_CLONE, _CLONE3 = (56, 220), (435, 435)
_SOCKET, _PRLIMIT = (41, 198), (302, 261)
_KILL, _TKILL, _TGKILL = (62, 129), (200, 130), (234, 131)
_FORK, _VFORK = (57, -1), (58, -1)
_FCNTL, _IOCTL, _SET_OWNER = (72, 25), (16, 29), ((8, 15), (0x8901, 0x8902))
# setpriority, ioprio_set, sched_setaffinity, sched_setscheduler, sched_setparam, sched_setattr
_PRIORITIES = ((141, 140), (251, 30), (203, 122), (144, 119), (142, 118), (314, 274))
# rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal: other ways to send a signal
_SIGNALS = ((129, 138), (297, 240), (424, 424))
_NEWEST = 450  # set_mempolicy_home_node, Linux 5.17

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that clone takes
_CLONE_THREAD = 0x10000
_AF_UNIX = 1

# classic BPF: the codes, and the offsets in struct seccomp_data
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000

_PR_SET_SECCOMP, _FILTER_MODE = 22, 2


def _instruction(code: int, k: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, k)


def _argument(number: int, half: int = 0) -> bytes:
    """Load the low (0) or high (1) half of an argument; both processors are little-endian."""
    return _instruction(_LOAD, _ARGUMENTS + 8 * number + 4 * half)


def _refuse(error: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | error)


_ALLOWED = _instruction(_RETURN, _ALLOW)


def _unless_equal(argument: int, value: int, error: int) -> bytes:
    """Allow a call only where the low half of an argument is `value`."""
    test = _instruction(_EQUAL, value, 0, 1)
    return _argument(argument) + test + _ALLOWED + _refuse(error)


def _if_either(argument: int, values: tuple[int, int], error: int) -> bytes:
    """Refuse a call where the low half of an argument is one of two values."""
    first, second = values
    tests = _instruction(_EQUAL, first, 1, 0) + _instruction(_EQUAL, second, 0, 1)
    return _argument(argument) + tests + _refuse(error) + _ALLOWED


def _unless_zero(argument: int, error: int) -> bytes:
    """Allow a call only where both halves of an argument are 0."""
    low, high = _argument(argument), _argument(argument, 1)
    return (
        low
        + _instruction(_EQUAL, 0, 0, 3)
        + high
        + _instruction(_EQUAL, 0, 0, 1)
        + _ALLOWED
        + _refuse(error)
    )


def _if_any_bit(argument: int, bits: int, error: int) -> bytes:
    """Refuse a call where an argument has any of the bits."""
    test = _instruction(_ANY_BIT, bits, 0, 1)
    return _argument(argument) + test + _refuse(error) + _ALLOWED


def _tree(starts: list[int], bodies: list[bytes]) -> bytes:
    """Search for a call's number by halves: `bodies[i]` is for those from `starts[i]` on.

    The kernel runs a new filter once for every number there is, and remembers which calls
    are always allowed. By halves that takes a tenth of the time of one test after another.
    """
    if len(bodies) == 1:
        return bodies[0]
    middle = len(bodies) // 2
    low = _tree(starts[:middle], bodies[:middle])
    high = _tree(starts[middle:], bodies[middle:])
    return _instruction(_AT_LEAST, starts[middle], len(low) // 8, 0) + low + high


def program(machine: str, alone: int = 0) -> bytes:
    """Return the filter's instructions.

    Args:
        machine: "x86_64" or "aarch64".
        alone: Where there is no pid namespace: the pid of the one process that the filter
            is for, which may neither fork nor signal any other. 0 otherwise.
    """
    column = 0 if machine == "x86_64" else 1
    rules = dict.fromkeys((numbers[column] for numbers in DENIED.values()), _refuse(errno.EPERM))
    # the flags of clone3 lie in memory, out of the filter's sight; libraries fall back
    rules[_CLONE3[column]] = _refuse(errno.ENOSYS)
    rules[_PRLIMIT[column]] = _unless_zero(0, errno.EPERM)
    rules |= _only_alone(column, alone) if alone else _only_within(column)
    rules.pop(-1, None)
    # newer calls, and those of the x32 interface, whose numbers begin at 2**30
    rules[_NEWEST + 1] = _refuse(errno.ENOSYS)
    starts, bodies = [0], [_ALLOWED]
    for number in sorted(rules):
        for start, body in ((number, rules[number]), (number + 1, _ALLOWED)):
            if start == starts[-1]:
                bodies[-1] = body
            elif body != bodies[-1]:
                starts.append(start)
                bodies.append(body)
    out = _instruction(_LOAD, _ARCH)
    out += _instruction(_EQUAL, _ARCHITECTURE[machine], 1, 0)
    out += _instruction(_RETURN, _KILL_PROCESS) + _instruction(_LOAD, _NR)
    return out + _tree(starts[:-1], bodies[:-1])  # nothing follows the newest


def _only_within(column: int) -> dict[int, bytes]:
    """Rules for a run that has namespaces of its own."""
    return {
        _SOCKET[column]: _unless_equal(0, _AF_UNIX, errno.EPERM),
        _CLONE[column]: _if_any_bit(0, _NAMESPACES, errno.EPERM),
    }


def _only_alone(column: int, pid: int) -> dict[int, bytes]:
    """Rules for a run among the caller's processes: it reaches none, and stays one process."""
    refused = (_FORK, _VFORK, _SOCKET, _TKILL, *_SIGNALS, *_PRIORITIES)
    rules = dict.fromkeys((numbers[column] for numbers in refused), _refuse(errno.EPERM))
    thread = _argument(0) + _instruction(_ANY_BIT, _CLONE_THREAD, 0, 1) + _ALLOWED
    rules[_CLONE[column]] = thread + _refuse(errno.EPERM)
    for numbers in (_KILL, _TGKILL):
        rules[numbers[column]] = _unless_equal(0, pid, errno.EPERM)
    # the owner of a descriptor is sent SIGIO
    for numbers, values in zip((_FCNTL, _IOCTL), _SET_OWNER, strict=True):
        rules[numbers[column]] = _if_either(1, values, errno.EPERM)
    return rules


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """A filter that is ready to be installed."""

    def __init__(self, instructions: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(instructions, len(instructions))
        length = len(instructions) // 8
        self._program = _Program(length=length, filter=ctypes.addressof(self._buffer))

    def install(self) -> None:
        """Filter this process's system calls from now on; needs no_new_privs.

        Raises:
            OSError: The kernel has no seccomp, or an outer filter forbids it.
        """
        address = ctypes.addressof(self._program)
        _linux.prctl(_PR_SET_SECCOMP, _FILTER_MODE, address, call="PR_SET_SECCOMP")
