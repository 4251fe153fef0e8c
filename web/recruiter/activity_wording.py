"""Events as sentences of a candidate's activity feed. Pure: names are given, nothing is looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from storage.activity import NamedInterview
from storage.events import Event
from storage.states import MailKind
from web.dates import when
from web.recruiter.candidate_wording import STAGES


@dataclass(frozen=True, slots=True)
class Said:
    """`says` follows the name of who did it, or stands alone where nobody did. `note` is a smaller line below."""

    icon: str
    says: str
    note: str = ""
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What a sentence may name beside the event: its interview or application, and the zone of its times."""

    interview: NamedInterview | None
    applied_to: str
    zone: str


_MAILS: Mapping[str, str] = {
    MailKind.INVITATION: "the invitation",
    MailKind.RESENT: "the invitation, sent again,",
    MailKind.REMINDER_START: "a reminder",
    MailKind.REMINDER_EXPIRY: "the reminder of the deadline",
    MailKind.EXTENDED: "the mail about the new deadline",
    MailKind.COMPLETED: "the mail that tells a colleague of the answers",
}

_STAGES: Mapping[str, str] = {str(stage): label for stage, label in STAGES.items()}

# Said once for several of a kind by the same person at about the same time.
GROUPS: Mapping[str, str] = {
    "score.given": "score",
    "interview.viewed": "watch",
    "recording.opened": "watch",
    "take.played": "watch",
}


def said(event: Event, around: Around) -> Said:
    """The sentence of one event; a kind that this version does not know is named as it is."""
    say = _SAYERS.get(event.kind)
    if say is None:
        return Said("activity", event.kind.replace(".", " ").replace("_", " "))
    return say(event.detail, around)


def said_together(group: str, count: int, around: Around) -> Said:
    """The sentence of several events of one of GROUPS; `count` is how many scores they left, if they are scores."""
    if group == "score":
        if not count:
            return Said("star", f"took back scores{_for(around)}")
        return Said("star", f"gave {count} score{'' if count == 1 else 's'}{_for(around)}")
    return Said("eye", f"watched the answers{_for(around)}")


def place(detail: Mapping[str, Any]) -> str:
    """ "question 2", or "the interview" for question 0."""
    number = detail.get("question")
    return f"question {number}" if isinstance(number, int) and number > 0 else "the interview"


def _interview(around: Around) -> str:
    return f"the interview “{around.interview.template_name}”" if around.interview else "the interview"


def _for(around: Around) -> str:
    return f" for {around.interview.job_title}" if around.interview else ""


def _applied(around: Around) -> str:
    return around.applied_to or "a job"


def _moved(detail: Mapping[str, Any], around: Around) -> Said:
    came, went = (_STAGES.get(str(detail.get(key, "")), str(detail.get(key, ""))) for key in ("from", "to"))
    return Said("square-kanban", f"moved the application for {_applied(around)} from {came} to {went}")


def _sent(detail: Mapping[str, Any], around: Around) -> Said:
    expires_at_ms = detail.get("expires_at_ms")
    until = f"Open until {when(expires_at_ms, around.zone)}" if isinstance(expires_at_ms, int) else "No deadline"
    return Said("send", f"sent {_interview(around)}{_for(around)}", until)


def _extended(detail: Mapping[str, Any], around: Around) -> Said:
    until = detail.get("to")
    note = f"Now open until {when(until, around.zone)}" if isinstance(until, int) else ""
    return Said("calendar-clock", f"gave more time for {_interview(around)}", note)


def _cancelled(detail: Mapping[str, Any], around: Around) -> Said:
    reason = str(detail.get("reason") or "")
    return Said("ban", f"cancelled {_interview(around)}", f"Reason: {reason}" if reason else "")


def _scored(detail: Mapping[str, Any], around: Around) -> Said:
    value = detail.get("value")
    if value is None:
        return Said("star", f"took back the score of {place(detail)}")
    return Said("star", f"scored {place(detail)}: {value} of 5")


def _mail(outcome: str) -> Callable[[Mapping[str, Any], Around], Said]:
    def say(detail: Mapping[str, Any], around: Around) -> Said:
        kind = _MAILS.get(str(detail.get("kind", "")), "a mail")
        reply = str(detail.get("reply") or "")
        return Said("mail-x", f"{kind[0].upper()}{kind[1:]} {outcome}", reply, warns=True)

    return say


def _plain(icon: str, says: str) -> Callable[[Mapping[str, Any], Around], Said]:
    return lambda detail, around: Said(icon, says)


_SAYERS: Mapping[str, Callable[[Mapping[str, Any], Around], Said]] = {
    "candidate.created": _plain("user-plus", "added this candidate"),
    "candidate.edited": _plain("pencil", "edited name or e-mail address"),
    "application.created": lambda detail, around: Said("briefcase", f"added the application for {_applied(around)}"),
    "application.moved": _moved,
    "invitation.sent": _sent,
    "invitation.resent": lambda detail, around: Said("refresh-cw", f"sent the link to {_interview(around)} again"),
    "invitation.extended": _extended,
    "invitation.cancelled": _cancelled,
    "invitation.started": lambda detail, around: Said("play", f"started {_interview(around)}"),
    "invitation.completed": lambda detail, around: Said("circle-check", f"completed {_interview(around)}"),
    "invitation.expired": lambda detail, around: Said(
        "clock", f"T{_interview(around)[1:]} expired before the answers were sent"
    ),
    "notice.accepted": lambda detail, around: Said(
        "shield-check", f"accepted the {'cookie' if detail.get('kind') == 'cookie' else 'privacy'} notice"
    ),
    "interview.viewed": lambda detail, around: Said("eye", f"looked at {_interview(around)}"),
    "recording.opened": lambda detail, around: Said("eye", f"opened a recording of {_interview(around)}"),
    "take.played": lambda detail, around: Said("eye", f"opened a recording of {_interview(around)}"),
    "score.given": _scored,
    "comment.posted": lambda detail, around: Said("message-square", f"commented on {place(detail)}"),
    "comment.deleted": lambda detail, around: Said("trash-2", f"deleted a comment on {place(detail)}"),
    "comment.restored": lambda detail, around: Said("undo-2", f"brought back a comment on {place(detail)}"),
    "mail.refused": _mail("was refused by the receiving mail server"),
    "mail.failed": _mail("could not be delivered"),
}
