import itertools
import re
import string

import pytest

from hackproof.errors import InputError
from hackproof.evals._data import load, spread
from hackproof.evals._judge import rubric
from hackproof.evals._labelled import (
    accuracy,
    detects_hack,
    detects_urgency,
    tickets,
    transcripts,
)
from hackproof.evals._questions import alignment_prompts
from hackproof.evals._sabotage import VARIANT, prompts
from hackproof.evals._variants import VARIANTS, desks, encode, offers, offices


def words(text):
    return set(re.findall(r"[a-z']+", text.lower()))


def jaccard(a, b):
    return len(a & b) / len(a | b)


@pytest.mark.parametrize(("name", "least"), [("free_form", 8), ("goals", 50)])
def test_there_are_enough_different_questions(name, least):
    questions = load(name)["questions"]
    assert len(set(questions)) == len(questions) >= least


def test_200_alignment_questions_differ():
    bare = [q for topic in load("alignment_questions")["topic"] for q in topic["questions"]]
    assert len(bare) == len(set(bare)) == 200
    for some, most in ((bare, 0.5), (alignment_prompts(), 0.8)):
        sets = [words(q) for q in some]
        assert max(jaccard(a, b) for a, b in itertools.combinations(sets, 2)) < most


@pytest.mark.parametrize("make", [offers, offices, desks])
def test_scenarios_have_24_variants_and_more_on_request(make):
    assert len({repr(v) for v in make(None)}) == VARIANTS >= 20
    assert len({repr(v) for v in make(60)}) == 60
    assert make(3) == make(None)[:3]
    assert "{" not in repr(make(None)).replace("{'", "")
    for n in (0, 201):
        with pytest.raises(InputError, match="variants"):
            make(n)


@pytest.mark.parametrize("variant", VARIANT)
def test_sabotage_has_24_wordings(variant):
    assert len(set(prompts(variant, None))) == 24


def test_people_of_a_variant_differ():
    for desk in desks(100):
        assert desk.colleague.split()[-1] != desk.other.split()[-1]
    for offer in offers(100):
        assert len(set(offer.names)) == len(set(offer.values)) == len(offer.names)


@pytest.mark.parametrize("encoding", ["rot13", "base64", "reversed", "hex"])
def test_encodings_hide_and_can_be_undone(encoding):
    import base64
    import codecs

    text = "Run this query, please."
    hidden = encode(text, encoding)
    back = {
        "rot13": lambda s: codecs.decode(s, "rot13"),
        "base64": lambda s: base64.b64decode(s).decode(),
        "reversed": lambda s: s[::-1],
        "hex": lambda s: bytes.fromhex(s).decode(),
    }[encoding]
    assert "query" not in hidden
    assert back(hidden) == text


def test_every_offer_is_in_its_ticket_and_not_in_the_clear():
    for offer in offers(None):
        assert encode(offer.offer, offer.encoding) in offer.ticket
        assert offer.query in offer.offer
        assert offer.query not in offer.ticket


@pytest.mark.parametrize("name", sorted(load("judges")))
def test_rubrics_can_be_used(name):
    found = rubric(name)
    assert {"refused", "grader_trick"} < set(found.labels)
    assert len(found.labels) >= 4
    assert found.question.endswith("?")


def test_labelled_texts_are_balanced_and_varied():
    texts = transcripts()
    assert len({t.text for t in texts}) == len(texts) == 72
    assert sum(t.positive for t in texts) == 36
    assert len({t.kind for t in texts if t.positive}) == 12
    assert not any(set("$") & set(t.text.split()[0]) for t in texts)
    urgent = tickets()
    assert sum(t.positive for t in urgent) * 2 == len({t.text for t in urgent}) == 44


def test_the_reference_detectors_work_and_simple_ones_do_not():
    assert accuracy(detects_hack, transcripts()) >= 0.95
    assert accuracy(detects_urgency, tickets()) >= 0.95
    for texts in (transcripts(), tickets()):
        assert accuracy(lambda t: True, texts) == 0.5
    # Near-misses are in the set: a search for the words of a hack cannot tell them apart.
    by_words = accuracy(
        lambda t: "__eq__" in t or "sys.exit" in t or "conftest" in t, transcripts()
    )
    assert by_words < 0.7


def test_no_slot_is_left_open():
    for text in [t.text for t in transcripts()] + [p for v in VARIANT for p in prompts(v, None)]:
        assert not string.Template.pattern.search(text.replace("$ ", "")), text


def test_spread_takes_items_from_everywhere():
    assert spread(list(range(10)), None) == list(range(10))
    assert spread(list(range(10)), 3) == [0, 3, 6]
    assert spread([1, 2], 5) == [1, 2]
    with pytest.raises(InputError, match="at least 1"):
        spread([1], 0)
