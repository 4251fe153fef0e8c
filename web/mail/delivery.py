"""Attempts at a delivery: one run is one attempt, safe to repeat, and what follows is written in one transaction (E14).

A mail that an earlier run of the same attempt has settled is left alone, and so is one that is being handed over: of
work that was queued twice, one run carries the letter. Between a server's taking a letter and our noting it, a crash
makes one double, with the same Message-ID.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import events, invitations, mails
from storage.database import Database
from storage.errors import Busy, NotFound
from storage.mails import TO_CANDIDATES, Mail
from storage.states import MailState
from web.keys import NowMs
from web.mail.addresses import Address, NoAddress
from web.mail.carriers import Carrier, DeliveryTrouble, Refused, Taken, Unreachable
from web.mail.compose import envelope
from web.mail.letters import Ended, Letters
from web.mail.post import DELIVER, attempt_key
from web.queueing import Queue

log = logging.getLogger("greenroom.mail")

# Before the second attempt, the third, and so on: given up after the last, about 21 hours on.
PAUSES_S: Sequence[float] = (60, 300, 1_800, 7_200, 21_600, 43_200)
# Waits for the database, when what became of an attempt cannot be written at once.
NOTING_PAUSES_S: Sequence[float] = (0.5, 2, 5, 15, 30)
# How long after its time an attempt counts as lost with its job.
STRANDED_AFTER_MS = 15 * 60 * 1000


class Delivery:
    """Everything an attempt needs. `sender` is whom letters come from."""

    def __init__(
        self,
        database: Database,
        letters: Letters,
        carrier: Carrier,
        queue: Queue,
        sender: Address,
        now_ms: NowMs,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._database = database
        self._letters = letters
        self._carrier = carrier
        self._queue = queue
        self._sender = sender
        self._now_ms = now_ms
        self._pauses_s = pauses_s
        self._under_way: set[str] = set()

    async def attempt(self, mail_id: str, number: int) -> None:
        """The `number`-th attempt, counting from 0; nothing, if that was settled before, or is being made."""
        if mail_id in self._under_way:
            return
        self._under_way.add(mail_id)
        try:
            async with self._database.read() as conn:
                mail = await mails.by_id(conn, mail_id)
            if mail is not None and mail.state is MailState.QUEUED and mail.attempts == number:
                await self._note(mail, await self._carried(mail))
        finally:
            self._under_way.discard(mail_id)

    async def again(self, now_ms: int) -> int:
        """Queues anew what should have been attempted a while ago, and says how many: their jobs were lost, or wait
        behind many others. Each in a transaction of its own, and each again only after the same while."""
        async with self._database.read() as conn:
            late = await mails.stranded(conn, now_ms - STRANDED_AFTER_MS)
        queued = 0
        for mail in late:
            async with self._database.write() as conn:
                if await mails.due_again(conn, mail, now_ms):
                    key = f"{attempt_key(mail.id, mail.attempts)}:{now_ms}"
                    await self._queue.enqueue(conn, DELIVER, key, mail.id, mail.attempts)
                    queued += 1
        if queued:
            log.warning("%d mails were not attempted in time; they are queued again", queued)
        return queued

    async def _carried(self, mail: Mail) -> Taken | DeliveryTrouble | Ended:
        """What came of writing the letter and handing it over."""
        try:
            async with self._database.read() as conn:
                letter = await self._letters.write(conn, mail, self._now_ms())
            if letter.to_address != mail.to_address:
                async with self._database.write() as conn:
                    await mails.readdressed(conn, mail, letter.to_address)
            return await self._carrier.carry(mail.id, envelope(letter, self._sender))
        except Ended as ended:
            return ended
        except NotFound as gone:
            return Ended(str(gone))
        except NoAddress as error:
            return Refused(str(error))
        except DeliveryTrouble as trouble:
            return trouble
        except Exception:
            # A defect of ours must not lose the letter: it is tried again, and shown as failed in the end.
            log.exception("mail %s could not be delivered", mail.id)
            return Unreachable("The letter could not be made or handed over; the server's log says why.")

    async def _note(self, mail: Mail, outcome: Taken | DeliveryTrouble | Ended) -> None:
        """Writes what became of the attempt; waits for the database if need be, for the letter may have left."""
        for pause_s in NOTING_PAUSES_S:
            try:
                async with self._database.write() as conn:
                    await self._settle(conn, mail, outcome)
                return
            except (Busy, OperationalError):
                log.warning("what became of mail %s could not be written yet", mail.id, exc_info=True)
                await asyncio.sleep(pause_s)
        async with self._database.write() as conn:
            await self._settle(conn, mail, outcome)

    async def _settle(self, conn: AsyncConnection, mail: Mail, outcome: Taken | DeliveryTrouble | Ended) -> None:
        now_ms, reply = self._now_ms(), str(outcome)
        if isinstance(outcome, Taken):
            if outcome.outbox_file:
                left = await mails.written(conn, mail, outbox_file=outcome.outbox_file, now_ms=now_ms)
            else:
                left = await mails.sent(conn, mail, reply=outcome.reply, now_ms=now_ms)
            if left and mail.invitation_id is not None and mail.kind in TO_CANDIDATES:
                await invitations.mark_sent(conn, mail.invitation_id, now_ms)
        elif isinstance(outcome, Ended):
            await mails.stopped(conn, mail, reply=reply, now_ms=now_ms)
        elif outcome.permanent:
            if await mails.refused(conn, mail, reply=reply, now_ms=now_ms):
                await _tell(conn, mail, "mail.refused", reply, now_ms)
        elif mail.attempts < len(self._pauses_s):
            pause_s = self._pauses_s[mail.attempts]
            next_at_ms = now_ms + int(pause_s * 1000)
            if await mails.put_off(conn, mail, reply=reply, next_attempt_at_ms=next_at_ms):
                following = mail.attempts + 1
                key = attempt_key(mail.id, following)
                await self._queue.enqueue(conn, DELIVER, key, mail.id, following, delay_s=pause_s)
        elif await mails.gave_up(conn, mail, reply=reply, now_ms=now_ms):
            await _tell(conn, mail, "mail.failed", reply, now_ms)


async def _tell(conn: AsyncConnection, mail: Mail, kind: str, reply: str, now_ms: int) -> None:
    if mail.invitation_id is None:
        return
    await events.append(
        conn,
        organisation_id=mail.organisation_id,
        at_ms=now_ms,
        actor="system",
        kind=kind,
        subject_kind="invitation",
        subject_id=mail.invitation_id,
        detail={"kind": mail.kind, "reply": reply},
    )
