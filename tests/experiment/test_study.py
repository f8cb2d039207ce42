from dataclasses import dataclass

import pytest

from hackproof.errors import InputError
from hackproof.experiment import registry
from hackproof.experiment.study import cells_of, settings_dict, settings_from


@dataclass(frozen=True)
class Settings:
    widths: tuple[int, ...] = (1, 2)
    rate: float = 0.1
    name: str = "x"


def test_settings_survive_json():
    made = Settings((3,), 1e-3, "y")
    assert settings_from(Settings, settings_dict(made), "here") == made


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rate": "abc"}, "rate = 'abc'"),
        ({"widths": 3}, "widths = 3"),
        ({"widths": [1.5]}, "widths.0 = 1.5"),
        ({"rates": 1}, "Did you mean 'rate'"),
        ({"name": 3}, "name = 3"),
    ],
)
def test_bad_settings_are_named(values, words):
    with pytest.raises(InputError, match=words):
        settings_from(Settings, values, "file.toml")


def test_cells_are_balanced_when_cut_short(toy):
    study = registry.load(toy)
    settings = study.scales["cpu"].settings
    cells = cells_of(study, settings, 2)
    assert len(cells) == 2 * 3 * 2
    assert {c.seed for c in cells[:6]} == {0}
    assert len({c.id for c in cells}) == len(cells)


def test_unknown_names(toy):
    with pytest.raises(InputError, match="Did you mean 'pan-2022-glucose'"):
        registry.load("pan-2022-glucos")
    with pytest.raises(InputError, match="no study file"):
        registry.load("nowhere.py")
    with pytest.raises(InputError, match="not a hackproof Study"):
        registry.load(f"{toy}:Settings")
    study = registry.load(toy)
    with pytest.raises(InputError, match="Did you mean 'hacks'"):
        cells_of(study, study.scales["cpu"].settings, 1, ["hack"])


def test_every_registered_study_is_sound():
    from hackproof.experiment.study import CAUSES, KINDS

    for name in registry.names():
        study = registry.load(name)
        assert study.name == name
        assert study.cause in CAUSES
        assert {"smoke", "cpu"} <= set(study.scales)
        for scale in study.scales.values():
            cells_of(study, scale.settings, 1)
            assert all(a.kind in KINDS for a in study.arms(scale.settings))
        assert len({c.id for c in study.claims}) == len(study.claims)
