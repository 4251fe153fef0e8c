"""A letter as the bytes that travel: MIME parts, headers, and nothing that anybody typed in a header unchecked.

Seven bits only, so that no server on the way has to re-code it; with the letter's id as Message-ID, so that each
attempt is recognisably the same letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.utils import format_datetime
from typing import cast

from web.mail import addresses
from web.mail.addresses import Address, NoAddress
from web.mail.letters import Letter

_LOGO_ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whom SMTP is told; `message` is what is handed over."""

    sender: Address
    recipient: Address
    message: bytes


def envelope(letter: Letter, sender: Address) -> Envelope:
    """The letter, addressed. Raises NoAddress if nothing can be sent to its recipient."""
    recipient = addresses.parse(letter.to_address)
    message = EmailMessage(policy=policy.SMTPUTF8 if recipient.needs_utf8 else policy.SMTP)
    message["From"] = _mailbox(letter.from_name, sender)
    message["To"] = _mailbox(letter.to_name, recipient)
    reply_to = _reply_to(letter)
    if reply_to is not None:
        message["Reply-To"] = _mailbox(letter.from_name, reply_to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(letter.created_at_ms // 1000, UTC))
    message["Message-ID"] = f"<{letter.mail_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    if letter.logo is not None:
        main, _, sub = letter.logo.media_type.partition("/")
        ending = _LOGO_ENDINGS.get(letter.logo.media_type, "bin")
        html = cast(EmailMessage, message.get_payload(1))
        html.add_related(letter.logo.body, main, sub, cid="<logo>", disposition="inline", filename=f"logo.{ending}")
    if letter.calendar is not None:
        message.add_attachment(
            letter.calendar,
            "text",
            "calendar",
            filename="deadline.ics",
            params={"method": "PUBLISH", "charset": "utf-8"},
        )
    return Envelope(sender, recipient, message.as_bytes())


def _mailbox(name: str, address: Address) -> Mailbox:
    return Mailbox(name, address.local, address.domain)


def _reply_to(letter: Letter) -> Address | None:
    try:
        found = addresses.parse(letter.reply_to)
    except NoAddress:
        return None
    return None if found.needs_utf8 else found
