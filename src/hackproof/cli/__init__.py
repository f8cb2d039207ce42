"""The command line: thin. Each command parses its flags and calls one function.

Exit codes: 0 done and nothing found; 1 findings, or a claim not reproduced under
--strict; 2 could not decide, or bad input; 3 an internal error; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from hackproof.errors import HackproofError, unknown

COMMANDS = {
    "list": "List the studies and the worlds.",
    "run": "Run a study; the same command continues one that was stopped.",
    "report": "Write a run's page (and, with --figure, its hacking curve as SVG or PNG).",
    "compare": "Show what differs between two runs.",
    "organism": "Make a small language model on which hacking can be studied.",
    "render": "Show what a policy does in a world, as an animated GIF.",
    "certify": "Say whether data is safe to learn a reward from, with the proof.",
    "audit": "Ask a reward, or a judge, what it pays for, before any training.",
    "verify": "Check a run's files and judge its claims again.",
    "query": "Ask a run's tables in SQL.",
    "view": "Serve an index of runs and their pages, on this machine only.",
    "doctor": "Say what is installed and what this machine can and cannot do.",
}
USAGE = """usage: hackproof COMMAND ...

The test bench for reward functions: every experiment optimises one reward, the proxy,
and measures another, the true one, while optimisation pressure grows.

commands:
{commands}

  hackproof COMMAND --help      flags of a command
  hackproof run STUDY --help    settings of a study
  hackproof --version

exit codes: 0 done and nothing found, 1 findings (or a claim not reproduced under
--strict), 2 could not decide or bad input, 3 internal error, 130 stopped by Ctrl-C
"""


def usage() -> str:
    """Return the text of `hackproof --help`."""
    return USAGE.format(commands="\n".join(f"  {n:<9} {t}" for n, t in COMMANDS.items()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Modules being imported are no garbage; looking for some costs a tenth of the startup.
    gc.set_threshold(50_000)
    try:
        code = dispatch(words)
        sys.stdout.flush()
    except HackproofError as error:
        print(f"hackproof: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("\nhackproof: stopped; the same command goes on from here.", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; leave no complaint at shutdown.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except Exception:
        import traceback

        traceback.print_exc()
        print("hackproof: internal error: this is a bug, please report it.", file=sys.stderr)
        code = 3
    raise SystemExit(code)


def dispatch(words: list[str]) -> int:
    """Run one command; returns the exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0 if words else 2
    if words[0] == "--version":
        from hackproof import __version__

        print(f"hackproof {__version__}")
        return 0
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    # Imported here: the flags of a command cost more to build than the usage to print.
    if name == "run":
        from hackproof.cli import _run

        return _run.command(rest)
    if name == "certify":
        from hackproof.cli import _certify

        return _certify.command(rest)
    if name == "audit":
        from hackproof.cli import _audit

        return _audit.command(rest)
    if name == "organism":
        from hackproof.cli import _organism

        return _organism.command(rest)
    if name == "render":
        from hackproof.cli import _render

        return _render.command(rest)
    from hackproof.cli import _commands

    return getattr(_commands, name if name != "list" else "list_")(rest)
