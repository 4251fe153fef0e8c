"""What the candidate's live page says, once and of the right thing."""

from __future__ import annotations

from tests.web.page_modules import RECORDED_PAGE, WHOLE_PAGE, run


def test_what_happened_to_a_recording_and_why_an_ask_was_refused_is_read_out() -> None:
    script = """
    const place = element("question-status");
    const said = () => [place.seen, place.getAttribute("role"), place.className.includes("visually-hidden"),
      element("notice").seen, place.textContent.slice(0, 21)];
    const before = said();
    socket.tells(state({ media: "live" }, seen({ notice: "failed_charged" })));
    const failed = said();
    const refusal = { type: "error", code: "server_fault", message: "It could not be done.", about: "record" };
    socket.tells({ ...refusal, number: null });
    const result = { before, failed, refused: said() };
    """
    assert run(RECORDED_PAGE + script) == {
        "before": [True, "status", True, False, ""],
        "failed": [True, "status", False, True, "No playable recording"],
        "refused": [True, "status", False, True, "It could not be done."],
    }


def test_what_is_said_as_an_alert_is_not_said_again_by_the_next_state() -> None:
    script = """
    const socket = await opened(state());
    const refused = (...problems) => state({ sending: "refused", sending_problems: problems });
    socket.tells(refused("unchecked"));
    socket.tells(refused("unchecked"));
    const list = element("sending-problems-text");
    const unchanged = list.made;
    socket.tells(refused("damaged:q1"));
    const result = { unchanged, changed: list.made, text: list.textContent.slice(0, 27) };
    """
    assert run(WHOLE_PAGE + script) == {"unchanged": 1, "changed": 2, "text": "The recording of question 1"}


def test_a_microphone_that_is_heard_again_takes_no_other_sentence_away() -> None:
    script = """
    const socket = await opened(state({}, seen()));
    await cameraOn(socket);
    const [, microphone] = devices.stream.getTracks();
    const words = () => element("notice").seen && element("notice-text").textContent.slice(0, 12);
    const refusal = { type: "error", code: "busy", message: "Server busy. Wait.", about: "record", number: null };
    microphone.onmute();
    const muted = words();
    microphone.onunmute();
    const heard = words();
    microphone.onmute();
    socket.tells(refusal);
    microphone.onunmute();
    const result = [muted, heard, words()];
    """
    assert run(WHOLE_PAGE + script) == ["Your system ", False, "Server busy."]


def test_what_was_safe_of_one_take_is_not_said_of_the_next() -> None:
    script = """
    socket.tells({ type: "progress", question: "q1", elapsed_ms: 42_000, remaining_ms: 8000, safe_ms: 42_000, level: 90,
      packets_lost: 0 });
    await advance(200);
    const first = element("safe").textContent;
    socket.tells(state({ media: "live" }, question()));
    socket.tells(records());  // the socket was away for the countdown
    await advance(200);
    const result = [first, element("safe").textContent];
    """
    first, second = run(RECORDED_PAGE + script)  # type: ignore[misc]
    assert "42 s" in first and "42 s" not in second
