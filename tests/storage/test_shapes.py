"""JSON columns are believed only in their own shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import ShapeBroken
from storage.shapes import as_details_fields, as_object, as_text_by_name, as_texts

FIELD = {"name": "phone", "label": "Phone", "required": True, "kind": "tel"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def test_what_has_the_shape_comes_back_unchanged() -> None:
    assert as_details_fields([FIELD, FIELD | {"name": "city", "kind": "text"}], "c")[1]["name"] == "city"
    assert as_details_fields([], "c") == []
    assert as_texts(["a", "b"], "c") == ["a", "b"]
    assert as_text_by_name({"a": "b"}, "c") == {"a": "b"}
    assert as_object({"a": [1]}, "c") == {"a": [1]}


@pytest.mark.parametrize(
    "wrong",
    [
        {**FIELD, "kind": "colour"},
        {**FIELD, "required": 1},
        {**FIELD, "name": ""},
        {**FIELD, "name": 7},
        {**FIELD, "more": True},
        {key: value for key, value in FIELD.items() if key != "label"},
        "phone",
        None,
    ],
)
def test_a_field_of_another_shape_is_refused_with_the_columns_name(wrong: object) -> None:
    with pytest.raises(ShapeBroken, match="details_fields"):
        as_details_fields([wrong], "details_fields")


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(ShapeBroken, match="twice"):
        as_details_fields([FIELD, FIELD], "details_fields")


@given(value=JSON)
def test_any_json_is_either_believed_or_refused(value: object) -> None:
    for check in (as_details_fields, as_texts, as_text_by_name, as_object):
        try:
            assert check(value, "c") == value
        except ShapeBroken as error:
            assert "c " in str(error)
