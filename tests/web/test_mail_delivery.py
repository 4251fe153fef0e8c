"""Deliveries against a real SMTP server: taken, refused, put off, given up; each letter once, each outcome shown."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from icalendar import Calendar
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events, invitations, mails
from storage.errors import Busy
from storage.invitations import Invitation
from storage.mails import Mail
from storage.states import MailKind, MailState
from tests.web.smtp import PostOffice
from tests.web.world import START_MS, Site
from web import demo
from web.keys import DATABASE, POST
from web.mail.addresses import Address
from web.mail.carriers import Carrier, Taken
from web.mail.compose import Envelope
from web.mail.delivery import STRANDED_AFTER_MS, Delivery
from web.mail.letters import Letters
from web.mail.outbox import OutboxCarrier
from web.mail.sender import sender
from web.mail.smtp import SmtpCarrier
from web.mail.standing import Standing, standing
from web.queueing import Unkept
from web.settings import Mail as MailSettings
from web.settings import Settings

SENDER = Address("interviews", "example.com")
PAUSES_S = (60, 300)


@pytest.fixture
def office() -> Iterator[PostOffice]:
    office = PostOffice()
    office.start()
    yield office
    office.stop()


@dataclass
class Deliveries:
    """A delivery with a queue that a test works off by hand, moving the clock as far as each piece waits."""

    site: Site
    delivery: Delivery
    queue: Unkept

    async def post(self, kind: MailKind = MailKind.INVITATION, invitation: Invitation | None = None) -> str:
        chosen = invitation or self.site.invitation
        async with self.site.app[DATABASE].write() as conn:
            mail_id = await self.site.app[POST].to_candidate(conn, chosen, kind, self.site.clock.now_ms)
        assert mail_id is not None
        return mail_id

    async def mail(self, mail_id: str) -> Mail:
        async with self.site.app[DATABASE].read() as conn:
            found = await mails.by_id(conn, mail_id)
        assert found is not None
        return found

    async def attempt(self, mail_id: str, number: int = 0) -> Mail:
        await self.delivery.attempt(mail_id, number)
        return await self.mail(mail_id)

    async def work_off(self) -> None:
        """All that was queued meanwhile, each at its time."""
        while self.queue.pieces:
            piece = self.queue.pieces.pop(0)
            self.site.clock.now_ms += int(piece.delay_s * 1000)
            await self.delivery.attempt(*piece.arguments)  # type: ignore[arg-type]

    async def events(self, invitation_id: str) -> list[tuple[str, object]]:
        organisation = self.site.invitation.organisation_id
        async with self.site.app[DATABASE].read() as conn:
            found = await events.for_subject(conn, organisation, "invitation", invitation_id)
        return [(event.kind, event.detail) for event in found]


def deliveries(site: Site, carrier: Carrier) -> Deliveries:
    queue = Unkept()
    letters = Letters("https://interviews.example.com", site.folder.secret)
    delivery = Delivery(
        site.app[DATABASE], letters, carrier, queue, SENDER, lambda: site.clock.now_ms, pauses_s=PAUSES_S
    )
    return Deliveries(site, delivery, queue)


def smtp(office: PostOffice, **settings: object) -> SmtpCarrier:
    given = {"host": "127.0.0.1", "port": office.port, "security": "none", "from_address": str(SENDER), "timeout_s": 5}
    return SmtpCarrier(MailSettings(**{**given, **settings}))  # type: ignore[arg-type]


async def test_a_letter_arrives_whole_and_is_noted_as_sent(site: Site, office: PostOffice) -> None:
    chosen = deliveries(site, smtp(office))
    invitation = await site.invite(expires_at_ms=START_MS + 999_000_000)
    mail = await chosen.attempt(await chosen.post(invitation=invitation))
    assert (mail.state, mail.attempts, mail.reply) == (MailState.SENT, 1, "taken as 1")
    [received] = office.received
    assert (received.sender, received.recipient) == (str(SENDER), invitation.candidate_email)
    link = "https://interviews.example.com" + site.link_of(invitation)
    assert link in received.text()
    assert link in received.text("text/html")
    assert Calendar.from_ical(received.text("text/calendar")).walk("VEVENT")
    async with site.app[DATABASE].read() as conn:
        assert (await invitations.get(conn, invitation.id)).sent_at_ms == START_MS
    assert chosen.queue.pieces == []


async def test_an_attempt_that_is_repeated_sends_nothing_more(site: Site, office: PostOffice) -> None:
    chosen = deliveries(site, smtp(office))
    mail_id = await chosen.post()
    for _ in range(3):
        await chosen.attempt(mail_id)
    await chosen.attempt(mail_id, 1)
    await chosen.delivery.attempt("unknown", 0)
    assert len(office.received) == 1


async def test_a_server_that_is_down_for_a_while_gets_the_letter_when_it_is_back(site: Site) -> None:
    office = PostOffice()
    chosen = deliveries(site, smtp(office))
    mail_id = await chosen.post()
    mail = await chosen.attempt(mail_id)
    assert (mail.state, mail.attempts) == (MailState.QUEUED, 1)
    assert mail.next_attempt_at_ms == START_MS + 60_000
    assert mail.reply
    assert [(piece.arguments, piece.delay_s) for piece in chosen.queue.pieces] == [((mail_id, 1), 60)]
    office.start()
    try:
        await chosen.work_off()
    finally:
        office.stop()
    mail = await chosen.mail(mail_id)
    assert (mail.state, mail.attempts, mail.ended_at_ms) == (MailState.SENT, 2, START_MS + 60_000)
    assert len(office.received) == 1


async def test_every_attempt_is_the_same_letter(site: Site, office: PostOffice) -> None:
    chosen = deliveries(site, smtp(office))
    office.at_data[demo.CANDIDATE_EMAIL] = "451 later"
    mail_id = await chosen.post()
    await chosen.attempt(mail_id)
    del office.at_data[demo.CANDIDATE_EMAIL]
    await chosen.work_off()
    [received] = office.received
    assert received.message["Message-ID"] == f"<{mail_id}@example.com>"
    assert received.message["Date"].datetime.timestamp() * 1000 == START_MS


async def test_a_letter_that_never_gets_through_is_given_up_and_shown_as_failed(site: Site) -> None:
    chosen = deliveries(site, smtp(PostOffice()))
    mail_id = await chosen.post()
    await chosen.attempt(mail_id)
    await chosen.work_off()
    mail = await chosen.mail(mail_id)
    assert (mail.state, mail.attempts) == (MailState.FAILED, 1 + len(PAUSES_S))
    assert mail.ended_at_ms == START_MS + sum(PAUSES_S) * 1000
    [(kind, detail)] = await chosen.events(site.invitation.id)
    assert kind == "mail.failed"
    assert detail == {"kind": "invitation", "reply": mail.reply}


@pytest.mark.parametrize("where", ["at_rcpt", "at_data"])
async def test_an_address_that_is_refused_for_good_is_not_tried_again_and_others_go_on(
    site: Site, office: PostOffice, where: str
) -> None:
    chosen = deliveries(site, smtp(office))
    getattr(office, where)[demo.CANDIDATE_EMAIL] = "550 5.1.1 no such person here"
    other = await site.invite()
    refused = await chosen.attempt(await chosen.post())
    sent = await chosen.attempt(await chosen.post(invitation=other))
    assert (refused.state, refused.reply) == (MailState.REFUSED, "550 5.1.1 no such person here")
    assert sent.state is MailState.SENT
    assert chosen.queue.pieces == []
    assert await chosen.events(site.invitation.id) == [
        ("mail.refused", {"kind": "invitation", "reply": "550 5.1.1 no such person here"})
    ]
    async with site.app[DATABASE].read() as conn:
        assert (await invitations.get(conn, site.invitation.id)).sent_at_ms is None


@pytest.mark.parametrize("reply", ["451 4.7.1 greylisted, come again", "452 full"])
async def test_a_refusal_for_now_is_tried_again(site: Site, office: PostOffice, reply: str) -> None:
    chosen = deliveries(site, smtp(office))
    office.at_rcpt[demo.CANDIDATE_EMAIL] = reply
    mail_id = await chosen.post()
    assert (await chosen.attempt(mail_id)).state is MailState.QUEUED
    del office.at_rcpt[demo.CANDIDATE_EMAIL]
    await chosen.work_off()
    assert len(office.to(demo.CANDIDATE_EMAIL)) == 1


async def test_what_is_wrong_with_us_is_not_blamed_on_the_address(site: Site, office: PostOffice) -> None:
    """No STARTTLS where we insist on it, and a server that wants a password first: an operator can mend both."""
    chosen = deliveries(site, smtp(office, security="starttls"))
    mail = await chosen.attempt(await chosen.post())
    assert mail.state is MailState.QUEUED
    assert "STARTTLS" in mail.reply
    office.at_rcpt[demo.CANDIDATE_EMAIL] = "530 5.7.0 authentication required"
    assert (await deliveries(site, smtp(office)).attempt(await chosen.post())).state is MailState.QUEUED
    assert office.received == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A server's certificate for localhost that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(pem))
    return file


async def test_a_password_goes_over_tls_alone_to_a_server_that_proves_its_name(
    site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    office = PostOffice(tls=context, login=("greenroom", "hush-hush"))
    office.start()
    try:
        over_tls = {"host": "localhost", "security": "starttls", "username": "greenroom"}
        stranger = deliveries(site, smtp(office, **over_tls, password="hush-hush"))
        mail = await stranger.attempt(await stranger.post())
        assert (mail.state, "certificate" in mail.reply) == (MailState.QUEUED, True)

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        mistaken = deliveries(site, smtp(office, **over_tls, password="mistaken"))
        mail = await mistaken.attempt(await mistaken.post())
        assert (mail.state, mail.reply[:3]) == (MailState.QUEUED, "535")

        trusted = deliveries(site, smtp(office, **over_tls, password="hush-hush"))
        mail = await trusted.attempt(await trusted.post())
        assert (mail.state, len(office.received)) == (MailState.SENT, 1)
    finally:
        office.stop()
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("mail.log")]
    assert all("hush-hush" not in line for line in ours)


async def test_a_server_that_hangs_is_left_after_a_while(site: Site) -> None:
    hung = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    chosen = deliveries(site, smtp(PostOffice(port=port), timeout_s=1))
    mail = await chosen.attempt(await chosen.post())
    assert (mail.state, mail.attempts) == (MailState.QUEUED, 1)
    hung.set()
    server.close()


async def test_a_reply_that_repeats_the_link_is_kept_and_logged_without_it(
    site: Site, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    office.at_data[demo.CANDIDATE_EMAIL] = f"554 this looks like spam: https://interviews.example.com{site.link}"
    chosen = deliveries(site, smtp(office))
    mail = await chosen.attempt(await chosen.post())
    token = site.link.rpartition("/")[2]
    assert mail.state is MailState.REFUSED
    assert "looks like spam" in mail.reply
    assert token not in mail.reply
    ours = [record for record in caplog.records if not record.name.startswith(("mail.log", "aiosqlite"))]
    assert all(token not in record.getMessage() for record in ours)


async def test_the_link_is_in_no_table_and_the_queue_knows_ids_only(site: Site, office: PostOffice) -> None:
    chosen = deliveries(site, smtp(office))
    mail_id = await chosen.post()
    await chosen.attempt(mail_id)
    token = site.link.rpartition("/")[2].encode()
    for file in site.folder.root.glob("greenroom.db*"):
        assert token not in file.read_bytes()


async def test_letters_outside_ascii_before_the_at_sign_need_a_server_that_takes_them(site: Site) -> None:
    address = "jürg@büro.example"
    async with site.app[DATABASE].write() as conn:
        await conn.execute(text("UPDATE candidates SET email = :email"), {"email": address})
        invitation = await invitations.get(conn, site.invitation.id)
    for able, state in ((True, MailState.SENT), (False, MailState.REFUSED)):
        office = PostOffice(smtputf8=able)
        office.start()
        try:
            chosen = deliveries(site, smtp(office))
            mail = await chosen.attempt(await chosen.post(invitation=invitation))
        finally:
            office.stop()
        assert mail.state is state
        assert [each.recipient for each in office.received] == (["jürg@xn--bro-hoa.example"] if able else [])
        assert able or "SMTPUTF8" in mail.reply


async def test_what_is_no_address_is_refused_with_words(site: Site, office: PostOffice) -> None:
    async with site.app[DATABASE].write() as conn:
        await conn.execute(text("UPDATE candidates SET email = 'kim@localhost'"))
        invitation = await invitations.get(conn, site.invitation.id)
    chosen = deliveries(site, smtp(office))
    mail = await chosen.attempt(await chosen.post(invitation=invitation))
    assert (mail.state, "no dot" in mail.reply) == (MailState.REFUSED, True)


async def test_a_mail_about_what_has_ended_is_stopped(site: Site, office: PostOffice) -> None:
    chosen = deliveries(site, smtp(office))
    mail_id = await chosen.post(MailKind.REMINDER_START)
    async with site.app[DATABASE].write() as conn:
        assert await invitations.cancel(conn, site.invitation.id, reason="", now_ms=START_MS)
    mail = await chosen.attempt(mail_id)
    assert (mail.state, mail.attempts) == (MailState.STOPPED, 0)
    assert office.received == []


async def test_without_a_server_letters_are_files_for_their_owner_alone(site: Site) -> None:
    chosen = deliveries(site, OutboxCarrier(site.folder.outbox))
    mail_id = await chosen.post()
    mail = await chosen.attempt(mail_id)
    assert (mail.state, mail.outbox_file) == (MailState.OUTBOX, f"{mail_id}.eml")
    [file] = site.folder.outbox.iterdir()
    assert file.name == mail.outbox_file
    assert site.link.encode() in file.read_bytes().replace(b"=\r\n", b"")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(site.folder.outbox.stat().st_mode) == 0o700


async def test_an_outbox_that_cannot_be_written_is_tried_again(site: Site) -> None:
    site.folder.outbox.write_text("a file where the folder should be")
    chosen = deliveries(site, OutboxCarrier(site.folder.outbox))
    mail_id = await chosen.post()
    assert (await chosen.attempt(mail_id)).state is MailState.QUEUED
    os.unlink(site.folder.outbox)
    await chosen.work_off()
    assert (await chosen.mail(mail_id)).state is MailState.OUTBOX


class Broken:
    async def carry(self, mail_id: str, envelope: Envelope) -> Taken:
        raise ZeroDivisionError("a defect")


async def test_a_defect_of_ours_loses_no_letter(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    chosen = deliveries(site, Broken())
    mail_id = await chosen.post()
    assert (await chosen.attempt(mail_id)).state is MailState.QUEUED
    assert "ZeroDivisionError" in caplog.text
    await chosen.work_off()
    assert (await chosen.mail(mail_id)).state is MailState.FAILED


async def test_a_database_that_is_busy_is_waited_for_since_the_letter_has_left(
    site: Site, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = deliveries(site, smtp(office))
    mail_id = await chosen.post()
    database, tries = site.app[DATABASE], 0
    write = database.write

    @asynccontextmanager
    async def busy_twice() -> AsyncIterator[AsyncConnection]:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise Busy("another process kept the database locked")
        async with write() as conn:
            yield conn

    monkeypatch.setattr("web.mail.delivery.NOTING_PAUSES_S", (0.01, 0.01, 0.01))
    monkeypatch.setattr(database, "write", busy_twice)
    assert (await chosen.attempt(mail_id)).state is MailState.SENT
    assert len(office.received) == 1


async def test_a_mail_whose_job_was_lost_is_queued_again(site: Site, office: PostOffice) -> None:
    chosen = deliveries(site, smtp(office))
    mail_id = await chosen.post()
    assert await chosen.delivery.again(START_MS + STRANDED_AFTER_MS) == 0
    site.clock.now_ms += STRANDED_AFTER_MS + 1
    assert await chosen.delivery.again(site.clock.now_ms) == 1
    await chosen.work_off()
    assert (await chosen.mail(mail_id)).state is MailState.SENT
    assert await chosen.delivery.again(site.clock.now_ms + STRANDED_AFTER_MS) == 0


class Slow:
    """Takes a letter when it is told to."""

    def __init__(self) -> None:
        self.carried: list[str] = []
        self.go = asyncio.Event()

    async def carry(self, mail_id: str, envelope: Envelope) -> Taken:
        self.carried.append(mail_id)
        await self.go.wait()
        return Taken(reply="taken")


async def test_a_letter_queued_twice_behind_a_slow_server_leaves_once(site: Site) -> None:
    slow = Slow()
    chosen = deliveries(site, slow)
    mail_id = await chosen.post()
    under_way = asyncio.create_task(chosen.delivery.attempt(mail_id, 0))
    async with asyncio.timeout(10):
        while not slow.carried:
            await asyncio.sleep(0.01)
        site.clock.now_ms += STRANDED_AFTER_MS + 1
        assert await chosen.delivery.again(site.clock.now_ms) == 1
        await chosen.work_off()
        slow.go.set()
        await under_way
    assert slow.carried == [mail_id]
    assert (await chosen.mail(mail_id)).state is MailState.SENT


async def test_a_mail_behind_many_others_is_queued_again_once_in_a_while_not_at_each_look(site: Site) -> None:
    chosen = deliveries(site, Slow())
    await chosen.post()
    late = START_MS + STRANDED_AFTER_MS + 1
    assert await chosen.delivery.again(late) == 1
    assert await chosen.delivery.again(late + STRANDED_AFTER_MS) == 0
    assert await chosen.delivery.again(late + STRANDED_AFTER_MS + 1) == 1
    assert len({piece.key for piece in chosen.queue.pieces}) == 2


async def test_a_letter_that_cannot_be_written_is_shown_as_failed_in_the_end(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(*_: object) -> None:
        raise KeyError("a word that is missing")

    chosen = deliveries(site, Broken())
    monkeypatch.setattr("storage.letters.interview", defect)
    mail_id = await chosen.post()
    assert (await chosen.attempt(mail_id)).attempts == 1
    await chosen.work_off()
    assert (await chosen.mail(mail_id)).state is MailState.FAILED
    assert "a word that is missing" in caplog.text


async def test_a_reminder_held_up_until_the_deadline_was_moved_is_stopped(site: Site, office: PostOffice) -> None:
    chosen = deliveries(site, smtp(office))
    day_ms = 24 * 3_600_000
    moved, near = [await site.invite(expires_at_ms=START_MS + day_ms) for _ in range(2)]
    held_up = [await chosen.post(MailKind.REMINDER_EXPIRY, each) for each in (moved, near)]
    async with site.app[DATABASE].write() as conn:
        assert await invitations.extend(conn, moved.id, expires_at_ms=START_MS + 8 * day_ms, now_ms=START_MS)
    assert [(await chosen.attempt(each)).state for each in held_up] == [MailState.STOPPED, MailState.SENT]
    assert [received.recipient for received in office.received] == [near.candidate_email]


async def test_a_letter_held_up_goes_to_the_address_as_it_was_mended(site: Site) -> None:
    office = PostOffice()
    chosen = deliveries(site, smtp(office))
    mail_id = await chosen.post()
    assert (await chosen.attempt(mail_id)).state is MailState.QUEUED
    async with site.app[DATABASE].write() as conn:
        await conn.execute(text("UPDATE candidates SET email = 'robin.mended@example.com' WHERE email LIKE 'robin%'"))
    office.start()
    try:
        await chosen.work_off()
    finally:
        office.stop()
    assert [received.recipient for received in office.received] == ["robin.mended@example.com"]
    assert "robin.mended@example.com to an interview" in office.received[0].text().replace("\n", " ")
    mail = await chosen.mail(mail_id)
    assert (mail.state, mail.to_address) == (MailState.SENT, "robin.mended@example.com")


async def test_how_mail_stands(site: Site, settings: Settings, office: PostOffice) -> None:
    chosen = deliveries(site, OutboxCarrier(site.folder.outbox))
    await chosen.attempt(await chosen.post())
    office.at_rcpt[demo.CANDIDATE_EMAIL] = "550 no"
    await deliveries(site, smtp(office)).attempt(await chosen.post())
    await chosen.post()
    organisation = site.invitation.organisation_id
    async with site.app[DATABASE].read() as conn:
        now = await standing(conn, settings, organisation, START_MS)
        later = await standing(conn, settings, organisation, START_MS + 8 * 24 * 3_600_000)
    assert now == Standing(False, "", "greenroom@127.0.0.1", 1, 1, 1)
    assert later.failed_recently == 0
    set_up = settings.model_copy(update={"mail": MailSettings(host="smtp.example.com", from_address="a@b.example")})
    assert str(sender(set_up)) == "a@b.example"
