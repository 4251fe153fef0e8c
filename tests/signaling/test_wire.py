"""Frames: strict on the way in, whatever comes."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.messages import FRAME_LIMIT_BYTES, Hello, Offer, Progress, Record, Send
from signaling.wire import ASKS, LENGTHS, RANGES, FrameRefused, decode_ask, encode_tell

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def refusal(frame: str) -> tuple[str, str | None]:
    with pytest.raises(FrameRefused) as caught:
        decode_ask(frame)
    assert caught.value.error().message
    return caught.value.code, caught.value.about


def test_every_ask_is_decoded_as_it_was_sent() -> None:
    for name, kind in ASKS.items():
        content: dict[str, Any] = {
            each.name: RANGES[each.name][1] if each.name in RANGES else "x" * LENGTHS[each.name][0]
            for each in fields(kind)
        }
        assert decode_ask(json.dumps({"type": name, **content})) == kind(**content)


@pytest.mark.parametrize(
    ("frame", "code", "about"),
    [
        ("", "not_json", None),
        ("{", "not_json", None),
        ("nonsense", "not_json", None),
        ("[" * 30_000, "not_json", None),
        ('{"type": ' + "9" * 20_000 + "}", "not_json", None),
        ("null", "not_object", None),
        ("[]", "not_object", None),
        ('"send"', "not_object", None),
        ("{}", "not_object", None),
        ('{"type": 1}', "not_object", None),
        ('{"type": "state"}', "unknown_type", None),
        ('{"type": "Send"}', "unknown_type", None),
        ('{"type": "__class__"}', "unknown_type", None),
        ('{"type": "send", "now": true}', "unknown_field", "send"),
        ('{"type": "record", "question": "q", "type_": 1}', "unknown_field", "record"),
        ('{"type": "record"}', "missing_field", "record"),
        ('{"type": "record", "question": 7}', "wrong_field", "record"),
        ('{"type": "record", "question": null}', "wrong_field", "record"),
        ('{"type": "record", "question": ""}', "wrong_field", "record"),
        ('{"type": "record", "question": "\\ud800"}', "wrong_field", "record"),
        ('{"type": "hello", "tab": "short"}', "wrong_field", "hello"),
        (json.dumps({"type": "hello", "tab": "x" * 65}), "wrong_field", "hello"),
        (json.dumps({"type": "record", "question": "x" * 65}), "wrong_field", "record"),
        (json.dumps({"type": "offer", "sdp": "x" * 60_001, "number": 1}), "wrong_field", "offer"),
        ('{"type": "offer", "sdp": "v=0"}', "missing_field", "offer"),
        ('{"type": "offer", "sdp": "v=0", "number": 0}', "wrong_field", "offer"),
        ('{"type": "offer", "sdp": "v=0", "number": 2147483648}', "wrong_field", "offer"),
        ('{"type": "offer", "sdp": "v=0", "number": true}', "wrong_field", "offer"),
        ('{"type": "offer", "sdp": "v=0", "number": "1"}', "wrong_field", "offer"),
        ('{"type": "offer", "sdp": "v=0", "number": 1.0}', "wrong_field", "offer"),
        ("x" * (FRAME_LIMIT_BYTES + 1), "too_large", None),
        ("é" * (FRAME_LIMIT_BYTES // 2 + 1), "too_large", None),
    ],
)
def test_a_frame_that_is_no_ask_is_refused_with_its_problem(frame: str, code: str, about: str | None) -> None:
    assert refusal(frame) == (code, about)


def test_a_refused_offer_is_told_with_its_number_if_it_has_a_right_one() -> None:
    for frame, number in (
        ('{"type": "offer", "sdp": "", "number": 7}', 7),
        ('{"type": "offer", "sdp": "", "number": true}', None),
        ('{"type": "offer", "sdp": "v=0", "number": 0}', None),
        ('{"type": "record", "question": "", "number": 7}', None),
    ):
        with pytest.raises(FrameRefused) as caught:
            decode_ask(frame)
        assert caught.value.error().number == number


@pytest.mark.parametrize("frame", [{"type": "x" * 9_000}, {"type": "send", "\u2028\r\n" * 3_000: 1}])
def test_what_a_refusal_says_in_the_log_is_one_short_line(frame: dict[str, object]) -> None:
    with pytest.raises(FrameRefused) as caught:
        decode_ask(json.dumps(frame))
    said = str(caught.value)
    assert len(said) < 2_500 and len(said.splitlines()) == 1


@given(st.text())
def test_any_text_is_an_ask_or_refused(text: str) -> None:
    try:
        decode_ask(text)
    except FrameRefused as refused:
        assert refused.error().code == refused.code


@given(st.sampled_from(sorted(ASKS)), st.dictionaries(st.sampled_from(["question", "sdp", "number", "tab", "x"]), JSON))
def test_any_content_of_an_ask_is_checked(name: str, content: dict[str, Any]) -> None:
    try:
        ask = decode_ask(json.dumps({"type": name, **content}))
    except FrameRefused:
        return
    assert isinstance(ask, ASKS[name])
    assert {each.name for each in fields(ask)} == set(content)


def test_a_tell_is_one_object_with_its_type_in_front() -> None:
    frame = encode_tell(Progress("q", 1_000, 59_000, 900, 80, 0))
    assert frame.startswith('{"type":"progress","question":"q"')


def test_the_largest_offer_fits_into_a_frame() -> None:
    assert isinstance(decode_ask(json.dumps({"type": "offer", "sdp": "x" * 60_000, "number": 1})), Offer)
    assert decode_ask('{"type": "send"}') == Send()
    assert decode_ask('{"question": "q", "type": "record"}') == Record("q")
    assert decode_ask('{"type": "hello", "tab": "12345678"}') == Hello("12345678")
