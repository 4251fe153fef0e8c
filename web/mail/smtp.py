"""One letter to the operator's SMTP server, over a connection of its own, by aiosmtplib.

Permanent is what the server says about this letter, for good (5xx to MAIL, RCPT or DATA). Everything else may get
better: no connection, no TLS, a wrong password, a 4xx. The password is nowhere but in the call.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiosmtplib

from web.logs import redact
from web.mail.addresses import one_line
from web.mail.carriers import DeliveryTrouble, Refused, Taken, Unreachable
from web.mail.compose import Envelope
from web.settings import Mail

# Of a delivery as a whole, as a multiple of the time one step may take.
WHOLE_DELIVERY_STEPS = 4
QUIT_TIMEOUT_S = 2.0
# 5xx that speak of us and the server, not of the letter (RFC 4954 §6, RFC 5321 §4.2.1).
_OUR_TROUBLE = frozenset({502, 503, 504, 521, 530, 534, 535, 538})


class SmtpCarrier:
    """Each letter has a connection of its own: a server that hangs holds up one letter."""

    def __init__(self, settings: Mail) -> None:
        self._settings = settings

    async def carry(self, mail_id: str, envelope: Envelope) -> Taken:
        """As `carriers.Carrier`."""
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            username=settings.username or None,
            password=settings.password or None,
            timeout=settings.timeout_s,
        )
        try:
            async with asyncio.timeout(WHOLE_DELIVERY_STEPS * settings.timeout_s):
                await client.connect()
                reply = await _hand_over(client, envelope)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise _trouble(error) from error
        except BaseException:
            client.close()
            raise
        # The letter is theirs now, whatever becomes of the goodbye.
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(QUIT_TIMEOUT_S):
                await client.quit()
        client.close()
        return Taken(reply=_kept(reply))


async def _hand_over(client: aiosmtplib.SMTP, envelope: Envelope) -> str:
    options = []
    if envelope.recipient.needs_utf8:
        await client.ehlo()
        if not client.supports_extension("smtputf8"):
            raise Refused(
                "The mail server cannot send to addresses with letters outside ASCII before the @ (SMTPUTF8)."
            )
        options.append("SMTPUTF8")
    _, reply = await client.sendmail(
        str(envelope.sender), [str(envelope.recipient)], envelope.message, mail_options=options
    )
    return reply


def _trouble(error: Exception) -> DeliveryTrouble:
    """What went wrong, as one of our own; the server's words are kept, without any link it repeats."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        return _trouble(error.recipients[0])
    if isinstance(error, aiosmtplib.SMTPResponseException):
        words = _kept(f"{error.code} {error.message}")
        of_the_letter = (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)
        if isinstance(error, of_the_letter) and error.code >= 500 and error.code not in _OUR_TROUBLE:
            return Refused(words)
        return Unreachable(words)
    if isinstance(error, TimeoutError):
        return Unreachable("The mail server did not answer in time.")
    return Unreachable(_kept(str(error)) or type(error).__name__)


def _kept(reply: str) -> str:
    return one_line(redact(reply))
