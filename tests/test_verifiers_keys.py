"""What looks like a key is found, also by the quick look for how keys begin."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.keys import LOOKS_LIKE_A_KEY, may_hold_a_key


@given(st.text(), st.from_regex(LOOKS_LIKE_A_KEY), st.text())
def test_a_text_with_what_looks_like_a_key_may_hold_one(before: str, key: str, after: str) -> None:
    assert may_hold_a_key(before + key + after)


@given(st.text(alphabet="skghxaipflvtAIKz-_ 1=", max_size=60))
def test_a_text_that_holds_none_for_sure_is_left_as_it_is(text: str) -> None:
    assert may_hold_a_key(text) or re.search(LOOKS_LIKE_A_KEY, text) is None
