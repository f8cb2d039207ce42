"""The sections that say how a run came out."""

import pytest

from hackproof.report._provenance import setting, settings


class Facts:
    def __init__(self, values):
        self.info = {"settings": values}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12_000, "12,000"),
        (0.25, "0.25"),
        (True, "true"),
        (None, "null"),
        ("", "none"),
        ([], "none"),
        ("<b>", "&lt;b&gt;"),
        ([2, 0.5, "x"], "2, 0.5, x"),
        ([[1, 2], [3, 4]], "1, 2 | 3, 4"),
        ({"okay": [0.6, 0.03], "none": 1}, "okay: 0.6, 0.03; none: 1"),
    ],
)
def test_a_setting_is_words(value, text):
    assert setting(value) == text


def test_a_group_of_settings_has_a_heading():
    html = settings(Facts({"size": "tiny", "corpus": {"rates": {"a": 1}}, "empty": {}})).html
    assert html.index("size") < html.index("empty") < html.index("<h3>corpus</h3>")
    assert "<dt>rates</dt><dd>a: 1</dd>" in html
    assert "{" not in html
    assert settings(Facts({})) is None
