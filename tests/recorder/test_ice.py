"""Connectivity checks: answered when signed by the right browser, refused in every other case."""

from __future__ import annotations

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from recorder.ice import CheckRefused, Credentials, answer_check, local_ufrag, new_credentials

OURS = Credentials("0xOurs", "our-password-our-password")
SENDER = ("::ffff:192.0.2.7", 40000, 0, 0)


def check(username: str = "0xOurs:them", password: str = OURS.password, nominate: bool = False) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 7
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


def test_a_signed_check_is_answered_with_where_it_came_from() -> None:
    request = check()
    found = answer_check(request, OURS, "them", SENDER)
    reply = stun.parse_message(found.reply)
    assert reply.message_class is stun.Class.RESPONSE
    assert reply.transaction_id == stun.parse_message(request).transaction_id
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.7", 40000)
    assert reply.check_message_integrity(OURS.password.encode())
    assert not found.nominated


def test_a_nomination_is_noticed() -> None:
    assert answer_check(check(nominate=True), OURS, "them", SENDER).nominated


@pytest.mark.parametrize(
    "message",
    [
        check(password="another"),
        check(username="0xOurs:somebody"),
        check(username="0xOurs"),
        check()[:-4] + bytes(4),
        check()[:40],
        bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)),
        b"",
    ],
    ids=["password", "their ufrag", "no colon", "fingerprint", "cut", "unsigned", "empty"],
)
def test_a_check_that_is_not_signed_for_us_is_refused(message: bytes) -> None:
    with pytest.raises(CheckRefused):
        answer_check(message, OURS, "them", SENDER)


def test_a_response_is_not_a_check() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)
    message.attributes["USERNAME"] = "0xOurs:them"
    message.add_message_integrity(OURS.password.encode())
    with pytest.raises(CheckRefused):
        answer_check(bytes(message), OURS, "them", SENDER)
    assert local_ufrag(bytes(message)) is None


def test_our_ufrag_is_found_in_a_check() -> None:
    assert local_ufrag(check()) == "0xOurs"
    assert local_ufrag(check(username="nocolon")) is None


@given(st.binary(max_size=120))
def test_any_bytes_have_a_ufrag_or_none(data: bytes) -> None:
    local_ufrag(data)
    local_ufrag(b"\x00\x01" + len(data).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + data)


@given(st.binary(max_size=120))
def test_any_bytes_are_refused(data: bytes) -> None:
    for message in (data, b"\x00\x01" + len(data).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + data):
        with pytest.raises(CheckRefused):
            answer_check(message, OURS, "them", SENDER)


def test_credentials_name_their_worker_and_differ() -> None:
    first, second = new_credentials(3), new_credentials(3)
    assert first.ufrag.startswith("3x") and len(first.password) >= 22
    assert first != second
