"""What became of a letter to the team, in words and shape."""

from __future__ import annotations

from collections.abc import Mapping

from storage.states import MailState
from storage.team_mails import TeamMail
from web.recruiter.wording import Pill

_STATES: Mapping[MailState, Pill] = {
    MailState.QUEUED: Pill("Being sent", "hourglass", ""),
    MailState.SENT: Pill("Sent", "mail-check", "pill-good"),
    MailState.REFUSED: Pill("Refused", "mail-x", "pill-warn"),
    MailState.FAILED: Pill("Not sent", "mail-warning", "pill-warn"),
    MailState.OUTBOX: Pill("Written to outbox", "inbox", "pill-info"),
    MailState.STOPPED: Pill("Not sent", "mail-x", ""),
}
_AGAIN = Pill("Trying again", "refresh-cw", "pill-warn")


def state(mail: TeamMail) -> Pill:
    """A queued one that was tried before says so."""
    return _AGAIN if mail.state is MailState.QUEUED and mail.attempts else _STATES[mail.state]
