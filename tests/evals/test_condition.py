import pytest

from hackproof.errors import InputError
from hackproof.evals._condition import Condition
from hackproof.language import ADDENDA


def test_default_says_only_how_to_reason():
    condition = Condition()
    assert condition.name == "default"
    assert "<thinking>" in condition.system()
    assert Condition(reasoning="native").system() == ""
    assert Condition(reasoning="native").name == "reasoning=native"


def test_prefix_cue_and_scenario_come_in_order():
    text = Condition("Please be brief now.", "unmonitored").system("You are a clerk.")
    places = [text.index(s) for s in ("brief", "clerk", "not recorded", "<thinking>")]
    assert places == sorted(places)


def test_cues_say_opposite_things():
    monitored, unmonitored = (Condition(cue=c).system() for c in ("monitored", "unmonitored"))
    assert "not recorded" in unmonitored
    assert "not recorded" not in monitored
    assert Condition(cue="monitored").name == "cue=monitored"


def test_addenda_are_prefixes_by_name():
    assert Condition("okay").system().startswith(ADDENDA["okay"])
    assert Condition("okay").name == "prefix=okay"


def test_a_prefix_of_ones_own_is_named_by_its_digest():
    names = {Condition(text).name for text in ("one prefix", "other prefix")}
    assert len(names) == 2
    assert all(name.startswith("prefix=text-") for name in names)


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [("prefix", "okey", "okay"), ("cue", "watched", "known"), ("reasoning", "tag", "tags")],
)
def test_misspelt_names_are_errors_and_no_prefix(field, value, hint):
    with pytest.raises(InputError, match=f"(?i){hint}"):
        Condition(**{field: value})
