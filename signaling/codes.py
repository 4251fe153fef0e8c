"""The codes a page meets: why an ask was refused, what happened to a question, and the sentence for each refusal.

PROTOCOL.md says when each is used; a test holds the two together. Nothing here decides anything.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why an ask was refused. After any of them nothing has changed."""

    NOT_TEXT = "not_text"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    WRONG_FIELD = "wrong_field"

    HELLO_FIRST = "hello_first"
    HELLO_TWICE = "hello_twice"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    RECORDING_ELSEWHERE = "recording_elsewhere"
    NOTHING_TO_TAKE_OVER = "nothing_to_take_over"

    UNKNOWN_QUESTION = "unknown_question"
    ALREADY_REVEALED = "already_revealed"
    NOT_REVEALED = "not_revealed"
    QUESTION_ACTIVE = "question_active"
    NOT_NOW = "not_now"
    MEDIA_NOT_LIVE = "media_not_live"
    NO_ATTEMPTS_LEFT = "no_attempts_left"
    DEADLINE_PASSED = "deadline_passed"
    NOTHING_TO_STOP = "nothing_to_stop"
    COUNTDOWN_RUNS = "countdown_runs"
    NOTHING_TO_REMOVE = "nothing_to_remove"
    LAST_TAKE = "last_take"
    TOO_OFTEN = "too_often"

    NOT_COMPLETE = "not_complete"
    ALREADY_CHECKING = "already_checking"
    NOT_CHECKED = "not_checked"

    TAKE_RUNNING = "take_running"
    CONNECTION_GONE = "connection_gone"
    OFFER_REPLACED = "offer_replaced"
    VIDEO_REQUIRED = "video_required"
    OFFER_MALFORMED = "offer_malformed"
    NO_VIDEO_CODEC = "no_video_codec"
    NO_AUDIO_CODEC = "no_audio_codec"
    NO_MEDIA = "no_media"
    NOT_SECURE = "not_secure"
    RECORDER_BUSY = "recorder_busy"
    RECORDER_UNAVAILABLE = "recorder_unavailable"

    BUSY = "busy"
    FLOOD = "flood"
    SERVER_FAULT = "server_fault"


class NoticeCode(StrEnum):
    """The last thing that happened to a question; the page has a sentence for each."""

    NO_PICTURE = "no_picture"
    NO_SOUND = "no_sound"
    CONNECTION_LOST = "connection_lost"
    DISK_FULL = "disk_full"
    START_FAILED = "start_failed"
    WAITING_FOR_MEDIA = "waiting_for_media"
    WAIT_CHARGED = "wait_charged"
    WAIT_MISSED = "wait_missed"
    DEADLINE_PASSED = "deadline_passed"
    TIME_UP = "time_up"
    ENDED_OUTAGE = "ended_outage"
    ENDED_TOO_LARGE = "ended_too_large"
    ENDED_DISK_FULL = "ended_disk_full"
    ENDED_SERVER = "ended_server"
    ENDED_CHARGED = "ended_charged"
    RECOVERED = "recovered"
    FAILED_SERVER = "failed_server"
    FAILED_CREDITED = "failed_credited"
    FAILED_CHARGED = "failed_charged"
    FAILED_MISSED = "failed_missed"
    TAKE_REMOVED = "take_removed"
    TAKE_DAMAGED = "take_damaged"


class SendingProblem(StrEnum):
    """Why `sending` is `refused`. `damaged` is followed by a colon and the question's id."""

    UNCHECKED = "unchecked"
    DAMAGED = "damaged"


SENTENCES: dict[ErrorCode, str] = {
    ErrorCode.NOT_TEXT: "This page sent something that the server cannot read. Reload the page.",
    ErrorCode.TOO_LARGE: "This page sent a message that is too large. Reload the page.",
    ErrorCode.NOT_JSON: "This page sent something that the server cannot read. Reload the page.",
    ErrorCode.NOT_OBJECT: "This page sent something that the server cannot read. Reload the page.",
    ErrorCode.UNKNOWN_TYPE: "This page asked for something that the server does not know. Reload the page.",
    ErrorCode.UNKNOWN_FIELD: "This page sent something that the server does not expect. Reload the page.",
    ErrorCode.MISSING_FIELD: "This page left something out. Reload the page.",
    ErrorCode.WRONG_FIELD: "This page sent something that the server cannot use. Reload the page.",
    ErrorCode.HELLO_FIRST: "This page has not introduced itself yet. Reload the page.",
    ErrorCode.HELLO_TWICE: "This page is connected already.",
    ErrorCode.NOT_STARTED: "The interview has not been started yet. Press Start on the introduction page.",
    ErrorCode.ENDED: "This interview is over; nothing can be changed any more.",
    ErrorCode.RECORDING_ELSEWHERE: "A recording is running in another tab. Go on there, or take over here.",
    ErrorCode.NOTHING_TO_TAKE_OVER: "This tab is the one in use already.",
    ErrorCode.UNKNOWN_QUESTION: "There is no such question in this interview.",
    ErrorCode.ALREADY_REVEALED: "This question is open already.",
    ErrorCode.NOT_REVEALED: "Open the question first.",
    ErrorCode.QUESTION_ACTIVE: "Another question is in progress. Finish it first.",
    ErrorCode.NOT_NOW: "This question is being recorded. Wait until that is done.",
    ErrorCode.MEDIA_NOT_LIVE: "The server does not receive your camera and microphone yet. Check them and try again.",
    ErrorCode.NO_ATTEMPTS_LEFT: "All attempts at this question are used.",
    ErrorCode.DEADLINE_PASSED: "The deadline has passed: nothing new can be started. You can still send your answers.",
    ErrorCode.NOTHING_TO_STOP: "Nothing is being recorded at this question.",
    ErrorCode.COUNTDOWN_RUNS: "The think time is over, so the recording starts now.",
    ErrorCode.NOTHING_TO_REMOVE: "There is no recording to remove.",
    ErrorCode.LAST_TAKE: "This is your last recording of a required question, so it cannot be removed.",
    ErrorCode.TOO_OFTEN: "The countdown was started and stopped very often. Wait ten seconds, then try again.",
    ErrorCode.NOT_COMPLETE: "Some required questions are not answered yet.",
    ErrorCode.ALREADY_CHECKING: "Your answers are being checked already.",
    ErrorCode.NOT_CHECKED: "Your answers have not been checked yet. Press Send first.",
    ErrorCode.TAKE_RUNNING: "A recording is about to begin. The connection can be changed once it runs.",
    ErrorCode.CONNECTION_GONE: "The server does not know this connection any more. The page makes a new one.",
    ErrorCode.OFFER_REPLACED: "A newer connection replaced this one.",
    ErrorCode.VIDEO_REQUIRED: "This interview needs a camera. Allow it in your browser and try again.",
    ErrorCode.OFFER_MALFORMED: "The server cannot read your browser's offer. Reload the page or try another browser.",
    ErrorCode.NO_VIDEO_CODEC: "Your browser offers no video format that can be recorded. Try another browser.",
    ErrorCode.NO_AUDIO_CODEC: "Your browser offers no sound format that can be recorded. Try another browser.",
    ErrorCode.NO_MEDIA: "Your browser offers neither camera nor microphone. Check them and try again.",
    ErrorCode.NOT_SECURE: "Your browser's offer is not encrypted. Try another browser.",
    ErrorCode.RECORDER_BUSY: "The server is busy. Nothing is charged: stay on this page, or try again in a minute.",
    ErrorCode.RECORDER_UNAVAILABLE: "The recorder does not answer. Try again in a moment.",
    ErrorCode.BUSY: "The server is busy with what you asked before. Try again in a moment.",
    ErrorCode.FLOOD: "This page asks too much too fast. Wait a few seconds and reload it.",
    ErrorCode.SERVER_FAULT: "The server could not do that. Nothing was lost; try again in a moment.",
}
