"""Codes as sentences for the hiring team: statuses, verdicts, and the steps of an answer's ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from recorder.messages import EndReason, NeverStarted, Verdict
from recorder.verdict import Reason
from signaling.decision import LedgerKind
from storage.interviews import LedgerEntry
from storage.invitations import InterviewListRow, Invitation
from storage.states import InvitationStatus
from web.dates import length, span


@dataclass(frozen=True, slots=True)
class Pill:
    """A status in words, in shape (an icon's name) and in colour (a class of layout.css, or empty)."""

    label: str
    icon: str
    tone: str


STATUSES: Mapping[InvitationStatus, Pill] = {
    InvitationStatus.PENDING: Pill("Invited", "circle-dashed", ""),
    InvitationStatus.IN_PROGRESS: Pill("Active", "circle-dot", "pill-info"),
    InvitationStatus.COMPLETED: Pill("Completed", "circle-check", "pill-good"),
    InvitationStatus.EXPIRED: Pill("Expired", "clock", "pill-warn"),
    InvitationStatus.CANCELLED: Pill("Cancelled", "ban", ""),
}

_VERDICTS: Mapping[str, Pill] = {
    Verdict.GOOD: Pill("Recording is good", "circle-check", "pill-good"),
    Verdict.USABLE: Pill("Recording is usable", "triangle-alert", "pill-warn"),
    Verdict.FAILED: Pill("Recording failed", "circle-x", "pill-warn"),
}

_ENDS: Mapping[str, str] = {
    EndReason.STOPPED: "stopped by the candidate",
    EndReason.LIMIT: "the time was up",
    EndReason.OUTAGE: "the connection was away too long",
    EndReason.DISK_FULL: "the server's disk was full",
    EndReason.TOO_LARGE: "the recording reached its size limit",
    EndReason.ABANDONED_BY_SERVER: "the server was away",
    EndReason.WORKER_DIED: "the recorder had to be restarted",
    EndReason.FAULT: "a fault of the server",
}

_NEVER_STARTED: Mapping[str, str] = {
    NeverStarted.NO_KEY_FRAME: "no picture arrived",
    NeverStarted.NO_SOUND: "no sound arrived",
    NeverStarted.PEER_GONE: "the connection went away",
    NeverStarted.CANCELLED: "stopped by the candidate",
    NeverStarted.DISK_FULL: "the server's disk was full",
    NeverStarted.WORKER_DIED: "the recorder had to be restarted",
}

_CREDITS: Mapping[str, str] = {
    "candidate_side": "nothing playable had arrived",
    "recovered": "the recorder had to be restarted",
    "damaged": "the file was found damaged",
    "lost": "the server lost the recording",
}


def last_step(of: InterviewListRow | Invitation) -> tuple[str, int]:
    """What happened last to the invitation as a whole, and when."""
    match of.status:
        case InvitationStatus.COMPLETED:
            return "Completed", of.completed_at_ms or of.created_at_ms
        case InvitationStatus.EXPIRED:
            return "Expired", of.ended_at_ms or of.created_at_ms
        case InvitationStatus.CANCELLED:
            return "Cancelled", of.ended_at_ms or of.created_at_ms
        case InvitationStatus.IN_PROGRESS:
            return "Started", of.started_at_ms or of.created_at_ms
        case InvitationStatus.PENDING:
            return "Invited", of.created_at_ms
        case _:
            assert_never(of.status)


def verdict(code: str) -> Pill:
    """The server's own word on a recording."""
    return _VERDICTS.get(code, Pill("Recording not judged", "circle-help", ""))


def reason(code: str) -> str:
    """Why a verdict is not good, as a short sentence."""
    return _REASONS.get(code, code.replace("_", " ").capitalize())


NOT_LOOKED_AT = "Whether there is something to be heard and seen is still being checked."
"""Of a verdict whose second part is yet to come."""

_REASONS: Mapping[str, str] = {
    Reason.NO_KEY_FRAME: "No whole picture was recorded.",
    Reason.UNREADABLE: "The file could not be read back.",
    Reason.SHORT: "It is shorter than one second.",
    Reason.GAP: "The connection was away for more than a second.",
    Reason.LOSS: "Parts were lost on the way to the server.",
    Reason.TIMESTAMPS: "Sound and picture may be slightly apart.",
    Reason.NO_SOUND: "There is no sound.",
    Reason.INCOMPLETE: "The end may be missing.",
    Reason.NOT_SEEKABLE: "Jumping to a place in it may be slow.",
    Reason.RECOVERED: "It was recovered after the recorder had to be restarted.",
    Reason.SILENT: "Nothing is to be heard.",
    Reason.CLIPPED: "The sound is distorted: the microphone was too loud.",
    Reason.BLACK: "The picture is black.",
    Reason.IDENTICAL: "The picture stands still for ten seconds or more.",
}


def happened_at_ms(entry: LedgerEntry) -> int:
    """When the step happened, where the recorder said so; else when it was written down."""
    at_ms = entry.detail.get("at_ms")
    return at_ms if isinstance(at_ms, int) and 0 < at_ms <= entry.at_ms else entry.at_ms


def ledger_sentence(entry: LedgerEntry) -> str:
    """One step of an answer's ledger, for a reviewer."""
    try:
        kind = LedgerKind(entry.kind)
    except ValueError:
        return entry.kind.replace("_", " ").capitalize()
    return _sentence(kind, entry.detail)


def _sentence(kind: LedgerKind, detail: Mapping[str, Any]) -> str:
    match kind:
        case LedgerKind.REVEAL:
            return "Question shown"
        case LedgerKind.THINK:
            return f"Think time began ({span(_seconds(detail, 'think_ms'))})"
        case LedgerKind.WAIT:
            return f"Think time over; the server waits for the camera, up to {span(_seconds(detail, 'wait_ms'))}"
        case LedgerKind.COUNTDOWN:
            return "Countdown began by itself" if detail.get("by_itself") else "Countdown began"
        case LedgerKind.COUNTDOWN_ENDED:
            return f"Countdown ended without a recording: {_named(_NEVER_STARTED, detail, 'reason')}. Not charged"
        case LedgerKind.RECORDING:
            return f"Recording began (attempt {detail.get('attempts_used', '?')})"
        case LedgerKind.OUTAGE:
            return "Connection lost; the answer clock stands still"
        case LedgerKind.OUTAGE_ENDED:
            lasted = span(_seconds(detail, "outage_ms"))
            if detail.get("ended_take"):
                return f"No connection for {lasted}, not charged; the recording ended"
            return f"Connection back after {lasted}, not charged"
        case LedgerKind.SAVING:
            return f"Recording ended after {length(_ms(detail, 'elapsed_ms'))}: {_named(_ENDS, detail, 'reason')}"
        case LedgerKind.DRAFT:
            return "Recording verified and kept"
        case LedgerKind.FAILED:
            return "Nothing could be kept of this recording"
        case LedgerKind.CHARGE:
            return "One attempt charged: no camera in that time"
        case LedgerKind.CREDIT:
            return f"Attempt given back: {_named({**_ENDS, **_CREDITS}, detail, 'because')}"
        case LedgerKind.MISSED:
            return "Question missed: no attempt was left"
        case LedgerKind.DEADLINE:
            return "The invitation expired during think time"
        case LedgerKind.REMOVED:
            return "Recording removed by the candidate"
        case LedgerKind.DISCARDED:
            return "Earlier recording replaced"
        case LedgerKind.DAMAGED:
            return "The file was found damaged on the server's disk"
        case LedgerKind.SUBMITTED:
            return "Sent as missed" if detail.get("missed") else "Answer sent"
        case _:
            assert_never(kind)


def _named(names: Mapping[str, str], detail: Mapping[str, Any], key: str) -> str:
    code = str(detail.get(key, ""))
    return names.get(code, code.replace("_", " ") or "unknown")


def _ms(detail: Mapping[str, Any], key: str) -> int:
    value = detail.get(key, 0)
    return int(value) if isinstance(value, (int, float)) else 0


def _seconds(detail: Mapping[str, Any], key: str) -> int:
    return round(_ms(detail, key) / 1000)
