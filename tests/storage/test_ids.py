"""Ids sort by the time they were made."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from storage.ids import new_id


@given(earlier=st.integers(0, 2**48 - 2), by=st.integers(1, 10**9))
def test_an_id_made_later_sorts_later(earlier: int, by: int) -> None:
    assert new_id(earlier) < new_id(min(earlier + by, 2**48 - 1))


def test_ids_are_32_hexadecimal_digits_and_differ_at_the_same_moment() -> None:
    made = {new_id(1_790_000_000_000) for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in made)
    assert all(int(each[:12], 16) == 1_790_000_000_000 for each in made)


def test_an_id_made_without_a_time_is_of_now() -> None:
    assert new_id(1_700_000_000_000) < new_id() < new_id(4_000_000_000_000)
