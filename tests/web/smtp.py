"""A real SMTP server on a thread of its own, that can be down, be full, or refuse one address."""

from __future__ import annotations

import email
import ssl
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_port


@dataclass
class Received:
    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=policy.default)  # type: ignore[return-value]

    def part(self, media_type: str) -> EmailMessage:
        """The one part of that type."""
        (found,) = (each for each in self.message.walk() if each.get_content_type() == media_type)
        return found

    def text(self, media_type: str = "text/plain") -> str:
        return str(self.part(media_type).get_content())


@dataclass
class PostOffice:
    """`start` and `stop` as often as you like, on the same port. Dictionaries hold a reply by address."""

    port: int = field(default_factory=free_port)
    at_rcpt: dict[str, str] = field(default_factory=dict)
    at_data: dict[str, str] = field(default_factory=dict)
    smtputf8: bool = True
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    _controller: Controller | None = None

    def start(self) -> None:
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ready_timeout=20,
            enable_SMTPUTF8=self.smtputf8,
            tls_context=self.tls,
            require_starttls=self.tls is not None,
            auth_required=self.login is not None,
            authenticator=self._authenticated,
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def to(self, address: str) -> list[Received]:
        return [each for each in self.received if each.recipient == address]

    # What aiosmtpd calls.

    def _authenticated(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        right = self.login is not None and (given.login.decode(), given.password.decode()) == self.login
        return AuthResult(success=right, handled=False)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.at_rcpt:
            return self.at_rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        (recipient,) = envelope.rcpt_tos
        if recipient in self.at_data:
            return self.at_data[recipient]
        content: Any = envelope.content
        self.received.append(Received(str(envelope.mail_from), recipient, content))
        return f"250 taken as {len(self.received)}"
