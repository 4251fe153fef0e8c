"""PROTOCOL.md and the code say the same."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter

import signaling
from recorder.messages import EndReason, NeverStarted, OfferProblem
from signaling import outcome
from signaling.codes import SENTENCES, ErrorCode, NoticeCode, SendingProblem
from signaling.link import OFFER_CODES
from signaling.messages import CLOSE_CODES, Action, Media, QuestionView, Sending, TakeView
from signaling.wire import ASKS, LENGTHS, TELLS, decode_ask
from storage.states import AnswerState, InvitationStatus

PROTOCOL = (Path(signaling.__file__).parent / "PROTOCOL.md").read_text()
BEFORE_EXCHANGE = PROTOCOL.split("## An exchange")[0]


def section(title: str) -> str:
    """From this heading to the next of its level or above."""
    level = title.index(" ")
    found = re.search(rf"^{re.escape(title)}$(.*?)(?=^#{{1,{level}}} |\Z)", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert found, f"{title} is not in PROTOCOL.md"
    return found.group(1)


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def examples() -> list[str]:
    return re.findall(r"```json\n(.*?)```", BEFORE_EXCHANGE, re.DOTALL)


@pytest.mark.parametrize("name", [*ASKS, *TELLS])
def test_every_message_and_each_of_its_fields_is_described(name: str) -> None:
    kind = {**ASKS, **TELLS}[name]
    documented = first_column(section(f"### {name}"))
    if name == "state":
        documented = first_column(section("### state").split("A question view:")[0])
    assert documented == [each.name for each in fields(kind)]


def test_no_message_is_described_that_does_not_exist() -> None:
    assert re.findall(r"^### (\w+)$", PROTOCOL, re.MULTILINE) == [*ASKS, *TELLS]


def test_every_field_of_a_question_and_a_take_is_described() -> None:
    question, take = section("### state").split("A question view:")[1].split("A take view:")
    assert first_column(question) == [each.name for each in fields(QuestionView)]
    assert first_column(take) == [each.name for each in fields(TakeView)]


def test_the_lengths_of_fields_are_the_ones_that_are_enforced() -> None:
    for name in ASKS:
        for field, shortest, longest in re.findall(
            r"^\| `(\w+)` \| string, (\d+) to (\d+) characters", section(f"### {name}"), re.MULTILINE
        ):
            assert LENGTHS[field] == (int(shortest), int(longest))


def test_every_value_of_a_state_is_named() -> None:
    text = section("### state")
    words = [*InvitationStatus, *Media, *Sending, *Action, *AnswerState]
    assert [str(word) for word in words if f"`{word}`" not in text] == []


def test_every_error_code_is_described_and_has_a_sentence() -> None:
    assert sorted(first_column(section("## Error codes"))) == sorted(ErrorCode)
    assert set(SENTENCES) == set(ErrorCode)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_every_notice_code_is_described() -> None:
    assert sorted(first_column(section("## Notice codes"))) == sorted(NoticeCode)


def test_every_sending_problem_is_described() -> None:
    assert first_column(section("## Sending problems")) == [
        SendingProblem.UNCHECKED,
        f"{SendingProblem.DAMAGED}:<question id>",
    ]


def test_every_close_code_is_described() -> None:
    documented = re.findall(r"^\| (\d+) \| `(\w+)` \|", section("## Close codes"), re.MULTILINE)
    assert sorted((int(code), name) for code, name in documented) == sorted(
        (code, str(name)) for name, code in CLOSE_CODES.items()
    )


def test_whatever_the_recorder_says_has_a_code() -> None:
    assert set(OFFER_CODES) == set(OfferProblem)
    assert set(outcome.KEPT_NOTICES) == set(EndReason)
    assert set(outcome.NOT_STARTED_NOTICES) == set(NeverStarted)


@pytest.mark.parametrize("example", examples())
def test_every_example_decodes(example: str) -> None:
    name = json.loads(example)["type"]
    if name in ASKS:
        decode_ask(example)
    else:
        body = json.loads(example)
        del body["type"]
        assert set(body) == {each.name for each in fields(TELLS[name])}
        TypeAdapter(TELLS[name]).validate_python(body)


def test_every_message_has_an_example() -> None:
    assert {json.loads(each)["type"] for each in examples()} == {*ASKS, *TELLS}
