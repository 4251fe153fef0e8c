"""The editor's form without a server: times as people write them, mistakes, and what the buttons change (R2, R3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.states import Difficulty
from web.recruiter import template_times as times
from web.recruiter.template_check import (
    LONGEST_DURATION_MIN,
    LONGEST_LABEL,
    LONGEST_NAME,
    LONGEST_QUESTION,
    LONGEST_TEXT,
    MOST_FIELDS,
    MOST_QUESTIONS,
    checked,
    shown,
    unready,
)
from web.recruiter.template_form import DraftForm, FieldForm, QuestionForm, changed, parsed, position_of

FORM = DraftForm(
    name="First talk",
    language="en",
    introduction="Hello",
    instructions="",
    difficulty="",
    focus_area="",
    duration_min="",
    audio_only=False,
    questions=(QuestionForm("1", "Why?"), QuestionForm("2", "How?"), QuestionForm("3", "When?")),
    fields=(FieldForm("1", "Full name", "text", True), FieldForm("2", "E-mail address", "email", True)),
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("0", 0),
        ("90 s", 90),
        ("2 min", 120),
        ("2min", 120),
        ("1 min 30 s", 90),
        ("1,5 min", 90),
        ("1:30", 90),
        (" 2 Minutes ", 120),
        ("5", None),  # seconds or minutes: nobody knows
        ("", None),
        ("soon", None),
        ("2 min and a bit", None),
        ("-5 s", None),
        ("1:75", None),
        ("٣٠ s", 30),
        ("9" * 40, None),
    ],
)
def test_times_are_read_as_people_write_them(written: str, seconds: int | None) -> None:
    assert times.seconds_of(written) == seconds


@given(st.text(max_size=40))
def test_no_text_makes_the_reading_of_times_fail(text: str) -> None:
    seconds = times.seconds_of(text)
    assert seconds is None or seconds >= 0


def test_a_list_offers_the_value_that_is_there_even_where_it_is_unusual() -> None:
    assert ("37", "37 s") in times.think_choices("37")
    assert ("7", "7 retakes") in times.retake_choices("7")
    assert times.think_choices("other")[-1] == ("other", "Other…")
    assert times.retake_choices("unlimited")[-1] == ("unlimited", "Unlimited")


def test_the_rules_of_a_question_are_told_as_its_card_tells_them() -> None:
    assert times.rules_words(60, 120, 1) == "60 s to think · up to 2 min to answer · 1 retake"
    assert times.rules_words(0, 90, None) == "no think clock · up to 90 s to answer · unlimited retakes"
    assert times.rules_words(150, 30, 0) == "2 min 30 s to think · up to 30 s to answer · no retake"


def test_a_whole_form_becomes_the_content_of_a_draft() -> None:
    form = replace(
        FORM,
        name="  First \n talk ",
        introduction="  One\n\nTwo ",
        difficulty="advanced",
        focus_area="Bread",
        duration_min="12",
        audio_only=True,
        questions=(
            QuestionForm("x", "Why?", "0", "", "other", "1 min 15 s", "unlimited", False),
            QuestionForm("y", "How?", "other", "20 s", "60", "", "0"),
        ),
    )
    result = checked(form)
    assert result.mistakes == {}
    content = result.content
    assert content is not None
    assert (content.name, content.introduction, content.difficulty) == ("First talk", "One\n\nTwo", Difficulty.ADVANCED)
    assert (content.focus_area, content.duration_min, content.audio_only_allowed) == ("Bread", 12, True)
    assert [(q.think_s, q.limit_s, q.retakes, q.required) for q in content.questions] == [
        (0, 75, None, False),
        (20, 60, 0, True),
    ]
    assert [(field["name"], field["label"]) for field in content.details_fields] == [
        ("name", "Full name"),
        ("email", "E-mail address"),
    ]


@pytest.mark.parametrize(
    ("change", "control"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * (LONGEST_NAME + 1)}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"language": "tlh"}, "language"),
        ({"language": ""}, "language"),
        ({"difficulty": "impossible"}, "difficulty"),
        ({"focus_area": "x" * (LONGEST_LABEL + 1)}, "focus_area"),
        ({"introduction": "x" * (LONGEST_TEXT + 1)}, "introduction"),
        ({"introduction": "a\u202eb"}, "introduction"),
        ({"instructions": "bell \x07"}, "instructions"),
        ({"duration_min": "0"}, "duration_min"),
        ({"duration_min": str(LONGEST_DURATION_MIN + 1)}, "duration_min"),
        ({"duration_min": "a while"}, "duration_min"),
        ({"duration_min": "9" * 30}, "duration_min"),
        ({"questions": (QuestionForm("7", "x" * (LONGEST_QUESTION + 1)),)}, "text-7"),
        ({"questions": (QuestionForm("7", "Why?", think="other", think_other="2"),)}, "think-7"),
        ({"questions": (QuestionForm("7", "Why?", think="other", think_other="31 min"),)}, "think-7"),
        ({"questions": (QuestionForm("7", "Why?", limit="other", limit_other=""),)}, "limit-7"),
        ({"questions": (QuestionForm("7", "Why?", limit="0"),)}, "limit-7"),
        ({"questions": (QuestionForm("7", "Why?", limit="-60"),)}, "limit-7"),
        ({"questions": (QuestionForm("7", "Why?", retakes="21"),)}, "retakes-7"),
        ({"questions": (QuestionForm("7", "Why?", retakes=""),)}, "retakes-7"),
        ({"questions": tuple(QuestionForm(str(n), "Why?") for n in range(MOST_QUESTIONS + 1))}, "questions"),
        ({"fields": (FieldForm("4", "Size", "shoe"),)}, "kind-4"),
        ({"fields": (FieldForm("4", "x" * (LONGEST_LABEL + 1)),)}, "label-4"),
        ({"fields": tuple(FieldForm(str(n), "More") for n in range(MOST_FIELDS + 1))}, "fields"),
    ],
)
def test_what_cannot_be_kept_is_said_beside_its_control(change: dict[str, object], control: str) -> None:
    result = checked(replace(FORM, **change))  # type: ignore[arg-type]
    assert list(result.mistakes) == [control]
    assert result.content is None


def test_an_unfinished_draft_can_be_kept_but_not_published() -> None:
    unfinished = replace(FORM, questions=(QuestionForm("1"), QuestionForm("2", "How?")), fields=(FieldForm("1"),))
    assert checked(unfinished).content is not None
    assert set(unready(unfinished)) == {"text-1", "label-1"}
    assert set(unready(replace(FORM, questions=()))) == {"questions"}
    assert unready(FORM) == {}


def test_no_two_details_have_one_name_however_they_are_labelled() -> None:
    labels = ("Full name", "Full name", "名前", "Señal", "", "E-mail address")
    form = replace(FORM, fields=tuple(FieldForm(str(n), label) for n, label in enumerate(labels)))
    content = checked(form).content
    assert content is not None
    assert [field["name"] for field in content.details_fields] == [
        "name",
        "name_2",
        "field",
        "senal",
        "field_2",
        "email",
    ]


def test_a_joined_emoji_and_a_hard_space_are_no_mistake() -> None:
    assert checked(replace(FORM, name="Dev\u00a0👩‍💻", introduction="Hei\u00a0siellä 👩‍💻")).mistakes == {}


def test_what_is_drawn_again_lacks_only_what_cannot_be_shown() -> None:
    drawn = shown(replace(FORM, name="a\x00b", introduction="one\n\ntwo\x07\u202e"))
    assert (drawn.name, drawn.introduction) == ("ab", "one\n\ntwo")
    assert shown(FORM) == FORM


def test_questions_move_by_one_place_and_stop_at_the_ends() -> None:
    def order(action: str) -> list[str]:
        after = changed(FORM, action)
        assert after is not None
        return [each.key for each in after.form.questions]

    assert order("up:2") == ["2", "1", "3"]
    assert order("down:2") == ["1", "3", "2"]
    assert order("up:1") == order("down:3") == order("up:unknown") == ["1", "2", "3"]
    assert order("remove-question:2") == ["1", "3"]
    assert changed(FORM, "save") is None


def test_a_new_question_has_the_times_of_the_one_before_it() -> None:
    form = replace(FORM, questions=(QuestionForm("4", "Why?", think="0", limit="180", retakes="unlimited"),))
    after = changed(form, "add-question")
    assert after is not None
    added = after.form.questions[-1]
    assert (added.text, added.think, added.limit, added.retakes) == ("", "0", "180", "unlimited")
    assert added.key != "4"
    assert position_of(after.form, after.anchor) == "text-2"


def test_a_new_detail_follows_the_others() -> None:
    after = changed(FORM, "add-field")
    assert after is not None
    assert position_of(after.form, after.anchor) == "label-3"
    gone = changed(after.form, "remove-field:1")
    assert gone is not None
    assert [field.key for field in gone.form.fields] == ["2", "3"]


def test_keys_that_are_none_and_repeated_ones_are_left_out() -> None:
    form = parsed(
        [
            ("question", "2"),
            ("text-2", "Why?\r\nReally"),
            ("question", "1"),
            ("question", "2"),
            ("question", "../x"),
            ("question", ""),
            ("field", "<b>"),
            ("nonsense", "x"),
        ]
    )
    assert [each.key for each in form.questions] == ["2", "1"]
    assert form.questions[0].text == "Why?\nReally"
    assert form.fields == ()


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), max_size=30))
def test_whatever_is_posted_is_read_and_checked_without_a_fault(pairs: list[tuple[str, str]]) -> None:
    form = parsed(pairs)
    result = checked(form)
    assert (result.content is None) == bool(result.mistakes)
    shown(form)
