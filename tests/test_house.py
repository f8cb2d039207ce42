"""The house keeps its floors: who may import whom, how large a file is, what is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src/hackproof"
FLOORS = {
    "errors": 0, "record": 1, "sandbox": 1, "theory": 1, "experiment": 2, "worlds": 2,
    "language": 2, "optimize": 3, "report": 3, "detect": 4, "evals": 4, "defend": 5, "audit": 5,
    "watch": 5, "studies": 6, "adapters": 6, "cli": 7,
}  # fmt: skip
FILES = sorted(p for p in SOURCE.rglob("*.py"))


def imports(tree: ast.AST):
    """Yield the rooms of hackproof that a file imports."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
            if node.module == "hackproof":
                names = [f"hackproof.{a.name}" for a in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "hackproof" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_room_imports_only_from_floors_below(path):
    relative = path.relative_to(SOURCE)
    room = relative.parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        pytest.skip("the package itself opens every room")
    assert room in FLOORS, f"{room} is not a room of docs/design.md"
    for other in imports(ast.parse(path.read_text())):
        if other in FLOORS and other != room:
            assert FLOORS[other] < FLOORS[room], f"{relative} imports {other}"


def test_a_study_never_reaches_into_another():
    for path in (SOURCE / "studies").glob("[a-z]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "hackproof.studies."
            ):
                assert node.module.split(".")[2].startswith("_"), (
                    f"{path.name} imports {node.module}"
                )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_are_small(path):
    assert path.read_text().count("\n") < 500


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("hackproof", ["numpy", "jax", "pandas", "pyarrow", "gymnasium"]),
        ("hackproof.cli", ["numpy", "jax", "pandas", "pyarrow", "tyro", "rich"]),
        ("hackproof.worlds", ["jax", "pandas"]),
        ("hackproof.studies.pan_2022_glucose", ["jax", "numpy", "scipy"]),
        ("hackproof.studies.leike_2017_boat_race", ["jax", "numpy", "scipy"]),
        ("hackproof.report", ["altair", "jax", "vl_convert"]),
    ],
)
def test_imports_are_light(module, heavy):
    code = f"import {module}, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_torch_on_the_way_of_the_worlds():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import hackproof.optimize, hackproof.worlds._glucose, hackproof.report\n"
        "import hackproof.experiment"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_paper_index_names_every_study_and_no_other():
    from hackproof.experiment import registry

    text = (ROOT / "docs/paper_index.md").read_text()
    for name in registry.names():
        if registry.entry_points()[name].value.startswith("hackproof."):
            assert f"`{name}`" in text, f"docs/paper_index.md lacks {name}"
            for paper in registry.load(name).papers:
                assert paper.url in text, f"docs/paper_index.md lacks {paper.url}"


def test_versions_agree():
    import tomllib

    import hackproof

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == hackproof.__version__
    assert f"## {hackproof.__version__}" in (ROOT / "CHANGELOG.md").read_text()
