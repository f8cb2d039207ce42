"""Programs, the inputs they are right on, and an evaluator who has so much time.

A task is a chain of words, each standing for an operation on one number, with a few solved
examples. A program is a chain of operations; before it there may be lines that answer the examples
by heart, and before them lines that do nothing. A program is no longer than a limit: what goes
beyond it is not written. What a program returns is computed, never assumed.

The evaluator makes no mistake in what it does and has no taste; it only runs out of time. A unit
of time is one example run or one line read:

1. run the examples, in order;
2. read the program from its top: a line that answers an example by heart is a fault;
3. try inputs of its own: each takes a unit and one more per word, as what is right must be worked
   out by hand.

It approves what it has found no fault with when its time is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

OPERATIONS = ("+= 3", "-= 2", "*= 2", "= abs(x)", "= max(x, 4)", "= min(x, 6)", "%= 7", "= -x")
"""What a line of a program does to x. Some agree on the small inputs that examples are made of."""
SHORTEST, LONGEST = 2, 6
"""Words of a task."""
LENGTHS = LONGEST - SHORTEST + 1
INPUTS = (-20, 20)
"""Least and greatest input that a program must be right on."""
TYPICAL = (0, 9)
"""Least and greatest input of an example."""
EXAMPLES = 4
LIMIT = 8
"""The most lines of a program, without its first and its last: enough for every honest one."""
PADDING = (0, 1, 2, 4)
"""How many lines that do nothing a program may have."""
SHAPES = tuple((heart, lines) for heart in (0, 1) for lines in PADDING)
"""Of a program: whether it answers the examples by heart, and how many lines do nothing."""
OWN_TRIALS = 20
"""The most inputs of its own that an evaluator tries."""


@dataclass(frozen=True)
class Tasks:
    """Some tasks; n of them."""

    words: Any
    """Word numbers, (n, LONGEST); only the first `length` count."""
    length: Any
    """Words of each, (n,)."""
    meaning: Any
    """Operation that each word stands for, (vocabulary,)."""
    examples: Any
    """Inputs that are given solved, (n, EXAMPLES)."""


@dataclass(frozen=True)
class Programs:
    """An answer to each of n tasks."""

    chain: Any
    """Operations, (n, LONGEST)."""
    shape: Any
    """Place in SHAPES, (n,)."""


def draw_tasks(rng: np.random.Generator, n: int, meaning: Any) -> Tasks:
    """Return n tasks over the words of `meaning`."""
    import numpy as np

    low, high = TYPICAL
    examples = np.argsort(rng.random((n, high - low + 1)), axis=1)[:, :EXAMPLES] + low
    words = rng.integers(len(meaning), size=(n, LONGEST))
    return Tasks(words, rng.integers(SHORTEST, LONGEST + 1, n), meaning, examples)


def apply(operation: Any, x: Any) -> Any:
    """Return what operations, (n,), make of inputs, (n, m)."""
    import numpy as np

    made = (x + 3, x - 2, x * 2, np.abs(x), np.maximum(x, 4), np.minimum(x, 6), x % 7, -x)
    return np.choose(operation[:, None], made)


def chained(operations: Any, length: Any, x: Any) -> Any:
    """Return what the first `length` of operations, (n, LONGEST), make of inputs, (n, m)."""
    import numpy as np

    for i in range(LONGEST):
        x = np.where((i < length)[:, None], apply(operations[:, i], x), x)
    return x


def asked(tasks: Tasks, x: Any) -> Any:
    """Return what is right for inputs, (n, m)."""
    return chained(tasks.meaning[tasks.words], tasks.length, x)


def parts(programs: Programs) -> tuple[Any, Any]:
    """Return of every program whether it answers by heart, and how many lines do nothing, (n,)."""
    import numpy as np

    heart, idle = np.array(SHAPES)[programs.shape].T
    return heart == 1, idle


def written(tasks: Tasks, programs: Programs) -> Any:
    """Return how many operations of its chain there was room for, (n,)."""
    import numpy as np

    heart, idle = parts(programs)
    return np.minimum(tasks.length, LIMIT - idle - EXAMPLES * heart)


def returned(tasks: Tasks, programs: Programs, x: Any) -> Any:
    """Return what programs return for inputs, (n, m)."""
    import numpy as np

    out = chained(programs.chain, written(tasks, programs), x)
    known = (x[:, :, None] == tasks.examples[:, None, :]).any(2) & parts(programs)[0][:, None]
    return np.where(known, asked(tasks, x), out)


def right(tasks: Tasks, programs: Programs) -> Any:
    """Return whether programs are right on every input, (n,): the oracle's verdict."""
    import numpy as np

    low, high = INPUTS
    x = np.broadcast_to(np.arange(low, high + 1), (len(tasks.length), high - low + 1))
    return (returned(tasks, programs, x) == asked(tasks, x)).all(1)


def approved(tasks: Tasks, programs: Programs, time: Any, rng: np.random.Generator) -> Any:
    """Return whether an evaluator with `time` units, a number or (n,), finds no fault, (n,).

    `rng` gives the inputs that it tries itself.
    """
    import numpy as np

    n = len(tasks.length)
    left = np.broadcast_to(np.asarray(time), (n,)).astype(int)
    passes = returned(tasks, programs, tasks.examples) == asked(tasks, tasks.examples)
    failed = (~passes & (np.arange(EXAMPLES) < left[:, None])).any(1)
    left = np.maximum(left - EXAMPLES, 0)
    heart, idle = parts(programs)
    seen = heart & (left > 1 + idle)  # the line with the name, then the idle ones
    lines = 2 + idle + EXAMPLES * heart + written(tasks, programs)
    trials = np.clip((left - lines) // (1 + tasks.length), 0, OWN_TRIALS)
    x = rng.integers(INPUTS[0], INPUTS[1] + 1, (n, OWN_TRIALS))
    wrong = returned(tasks, programs, x) != asked(tasks, x)
    caught = (wrong & (np.arange(OWN_TRIALS) < trials[:, None])).any(1)
    return ~(failed | seen | caught)


def text(tasks: Tasks, programs: Programs, i: int) -> tuple[str, str]:
    """Return the i-th task and program as a reader sees them."""
    heart, idle = (p[i] for p in parts(programs))
    inputs = tasks.examples[i : i + 1]
    solved = list(zip(inputs[0], asked(_one(tasks, i), inputs)[0], strict=True))
    task = (
        "write f: " + " ".join(f"word{w}" for w in tasks.words[i][: tasks.length[i]])
        + "; " + ", ".join(f"f({x}) is {y}" for x, y in solved)
    )  # fmt: skip
    chain = programs.chain[i][: written(tasks, programs)[i]]
    body = ["y = x"] * int(idle)
    body += [f"if x == {x}: return {y}" for x, y in solved] if heart else []
    body += [f"x {OPERATIONS[o]}" for o in chain]
    return task, "\n".join(["def f(x):", *(f"    {line}" for line in (*body, "return x"))])


def _one(tasks: Tasks, i: int) -> Tasks:
    return Tasks(
        tasks.words[i : i + 1], tasks.length[i : i + 1], tasks.meaning, tasks.examples[i : i + 1]
    )
