"""What is known of a mail, in words for the hiring team. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.invitation_list import MailFact

_LONGEST_REPLY = 90


@dataclass(frozen=True, slots=True)
class MailWords:
    """`trouble`: somebody has to do something. `hint` explains it in a sentence."""

    label: str
    icon: str
    trouble: bool
    hint: str


MAILS: Mapping[MailFact, MailWords] = {
    MailFact.QUEUED: MailWords("Queued", "clock", False, "The mail leaves as soon as the mail server takes it."),
    MailFact.SENT: MailWords("Sent", "mail-check", False, "The mail server took the mail."),
    MailFact.OPENED: MailWords(
        "Maybe opened", "mail-open", False, "A maybe: many mail programs fetch the pictures of a mail by themselves."
    ),
    MailFact.REFUSED: MailWords(
        "Refused", "mail-x", True, "The receiving server refuses this address. Check it, or send the link yourself."
    ),
    MailFact.FAILED: MailWords(
        "Failed", "mail-warning", True, "Every attempt failed. Resend it, or send the link yourself."
    ),
    MailFact.OUTBOX: MailWords(
        "Written to outbox", "inbox", False, "No mail server is set up: the mail is a file in the outbox folder."
    ),
    MailFact.STOPPED: MailWords("Not sent", "circle-x", False, "The interview had ended before the mail left."),
}


def words(fact: MailFact | None) -> MailWords | None:
    """None where there is no mail to tell of."""
    return None if fact is None else MAILS[fact]


def reply_in_short(reply: str) -> str:
    """What the server said, cut to one line."""
    line = " ".join(reply.split())
    return line if len(line) <= _LONGEST_REPLY else f"{line[: _LONGEST_REPLY - 1].rstrip()}…"
