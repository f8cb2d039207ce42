"""`hackproof render`: policies by name and from a run, and what it refuses."""

import shutil

import pytest
from PIL import Image

import hackproof as package
from hackproof.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of the boat race with two seeds and saved policies."""
    out = tmp_path_factory.mktemp("runs") / "boat"
    package.run("leike-2017-boat-race", scale="smoke", only=["hop-pays"], out=out, workers=0)
    return out


def render(capsys, *words):
    """Run the command in this process; returns exit code, output and errors."""
    with pytest.raises(SystemExit) as stopped:
        main(["render", *map(str, words)])
    said = capsys.readouterr()
    return stopped.value.code, said.out, said.err


def refused(capsys, *words):
    code, _, error = render(capsys, *words)
    assert code == 2
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize("policy", ["random", "noop"])
def test_random_and_noop_need_no_run(capsys, tmp_path, policy):
    out = tmp_path / "clip.gif"
    code, said, _ = render(capsys, "boat-race", "--policy", policy, "--out", out, "--steps", 5)
    assert code == 0
    assert "5 steps, published" in said
    with Image.open(out) as clip:
        assert clip.n_frames == 6


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("traffic-merge", (640, 264 + 4 * 14 + 6)),
        ("traffic-bus", (640, 264 + 4 * 14 + 6)),
        ("pandemic", (480, 300 + 4 * 14 + 6)),
    ],
)
def test_worlds_that_draw_themselves(capsys, tmp_path, name, size):
    out = tmp_path / "clip.gif"
    code, said, _ = render(capsys, name, "--policy", "random", "--out", out, "--steps", 2)
    assert code == 0
    assert "2 steps" in said
    with Image.open(out) as clip:
        assert clip.n_frames == 3
        assert clip.size == size


def test_an_arms_policy_is_played_and_its_rewards_counted(capsys, tmp_path, trained):
    out = tmp_path / "clip.gif"
    code, said, _ = render(
        capsys, "boat-race", "--policy", f"{trained}/hop-pays", "--out", out, "--steps", 4
    )
    assert code == 0
    assert "hop-pays" in said
    assert "performance" in said
    again = tmp_path / "again.gif"
    cell = "hop-pays.2.seed0"
    render(capsys, "boat-race", "--policy", f"{trained}/{cell}", "--out", again, "--steps", 4)
    assert again.read_bytes() == out.read_bytes()  # the arm's lowest seed at its highest level


def test_a_pair_changes_what_is_counted(capsys, tmp_path, trained):
    words = ("boat-race", "--policy", f"{trained}/hop-pays", "--out", tmp_path / "clip.gif")
    _, said, _ = render(capsys, *words, "--steps", 1, "--pair", "lap-pays")
    assert "lap-pays" in said


def test_bad_input(capsys, tmp_path, trained, toy):
    without = package.run(toy, scale="smoke", out=tmp_path / "toy", workers=0).path
    shutil.rmtree(without / "policies")
    assert "Did you mean 'boat-race'? Known: boat-race" in refused(capsys, "boat-rase")
    assert "is not a run" in refused(capsys, "boat-race", "--policy", tmp_path / "nowhere/pan")
    assert "must be random, noop or RUN/ARM" in refused(capsys, "boat-race", "--policy", "walk")
    assert "holds no policies" in refused(capsys, "boat-race", "--policy", without / "hacks")
    message = refused(capsys, "boat-race", "--policy", trained / "hop-pay")
    assert "Did you mean 'hop-pays'" in message
    message = refused(capsys, "riverraid", "--policy", trained / "hop-pays")
    assert "was trained in world 'boat-race'" in message
    assert "Known: hop-pays" in refused(capsys, "boat-race", "--pair", "hop-pay")
    assert "written as .gif" in refused(capsys, "boat-race", "--out", "clip.mp4")
    assert "--steps is 0" in refused(capsys, "boat-race", "--steps", "0")


def test_a_policy_that_is_cut_short_is_said_to_be(capsys, tmp_path, trained):
    copy = shutil.copytree(trained, tmp_path / "copy")
    file = copy / "policies/hop-pays.2.seed0.npz"
    file.write_bytes(b"cut")
    assert "cut short" in refused(capsys, "boat-race", "--policy", copy / "hop-pays.2.seed0")


def test_the_greedy_policy_is_the_evaluated_one(trained):
    """Each tile's action is the likeliest one of the saved networks."""
    import numpy as np

    from hackproof.cli._render import trained as load
    from hackproof.optimize import _policy, load_policy

    world, actor = load("boat-race", f"{trained}/hop-pays")
    net = load_policy(trained / "policies/hop-pays.2.seed0.npz").net
    tiles = np.eye(8, dtype=np.float32)
    expected = np.asarray(_policy.head(net, tiles)).argmax(-1)
    assert [int(actor.act(tile, 0)) for tile in tiles] == expected.tolist()
    assert actor.rewards == ("hop-pays", "performance")
    assert world.name == "boat-race"
