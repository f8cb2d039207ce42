import ast
import importlib.resources
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points

import pytest

import hackproof.evals

TASKS = {
    "alignment_faking", "alignment_questions", "code_sabotage", "exfiltration_offer",
    "frame_colleague", "free_form", "goals", "hack_rate", "monitor_disruption", "output_loop",
    "playing_dumb", "policy_loop", "self_refinement",
}  # fmt: skip


def test_inspect_knows_every_task_by_its_name():
    from inspect_ai.util import registry_info

    if "hackproof" not in {e.name for e in entry_points(group="inspect_ai")}:
        pytest.skip("the package was installed before it had tasks; install it anew")
    for name in TASKS:
        info = registry_info(getattr(hackproof.evals, name))
        assert (info.type, info.name) == ("task", f"hackproof/{name}")


def test_importing_the_room_is_light():
    code = "import hackproof.evals, sys; print('inspect_ai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_inspect_the_error_says_what_to_install():
    code = (
        "import sys, importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'inspect_ai' else found(n, *a)\n"
        "import hackproof.evals\n"
        "hackproof.evals.goals"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'hackproof[evals]'" in done.stderr


def test_every_data_file_is_read_by_some_module():
    folder = importlib.resources.files("hackproof.evals")
    code = "\n".join(f.read_text() for f in folder.iterdir() if f.name.endswith(".py"))
    asked = set(re.findall(r'load\("(\w+)"\)', code))
    files = {f.name.removesuffix(".toml") for f in folder.joinpath("data").iterdir()}
    assert files == asked
    for name in files:
        tomllib.loads(folder.joinpath("data", f"{name}.toml").read_text("utf-8"))


def test_every_task_takes_the_common_parameters():
    folder = importlib.resources.files("hackproof.evals")
    found = set()
    for path in (f for f in folder.iterdir() if f.name.endswith(".py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or node.name not in TASKS:
                continue
            names = {a.arg for a in node.args.args}
            common = {"n", "prefix", "reasoning", "epochs"}
            common |= set() if node.name == "alignment_faking" else {"cue"}
            assert common <= names, node.name
            found.add(node.name)
    assert found == TASKS
