"""What runs by itself: letters as they are posted, and the sweeps by the clock. The sweeps take the time they are told.

A schedule only calls a sweep; each acts once on what is due, however often and by whomever it is called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from aiohttp import web

from web.durable import Durable, Schedule
from web.expiring import expire_overdue
from web.keys import DATABASE, FOLDER, HUB, NOW_MS, POST, SETTINGS
from web.mail.carriers import Carrier
from web.mail.delivery import Delivery
from web.mail.letters import Letters
from web.mail.outbox import OutboxCarrier
from web.mail.post import DELIVER
from web.mail.sender import sender
from web.mail.smtp import SmtpCarrier
from web.reminding import remind

EXPIRING = "*/30 * * * * *"
REMINDING = "0 */10 * * * *"
LOST_MAIL = "30 */5 * * * *"
# Often, and little at once: a server that is switched off at night purges too, and holds up nobody's writing.
PURGING = "0 5 * * * *"
KEPT_MS = 2 * 24 * 3600 * 1000


def running(queue: Durable) -> Callable[[web.Application], AsyncIterator[None]]:
    """A cleanup context: everything that runs by itself, while it is entered."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        delivery = delivery_of(app, queue)
        database, now_ms = app[DATABASE], app[NOW_MS]
        try:
            await queue.start(
                {DELIVER: delivery.attempt},
                (
                    Schedule("expiring", EXPIRING, lambda: expire_overdue(database, app[HUB], now_ms())),
                    Schedule("reminding", REMINDING, lambda: remind(database, app[POST], now_ms())),
                    Schedule("lost-mail", LOST_MAIL, lambda: delivery.again(now_ms())),
                    Schedule("purging", PURGING, lambda: queue.purge(now_ms() - KEPT_MS)),
                ),
            )
            yield
        finally:
            await queue.stop()

    return context


def delivery_of(app: web.Application, queue: Durable) -> Delivery:
    """How this server's letters leave: by SMTP, or into the outbox where no server is set."""
    settings, folder = app[SETTINGS], app[FOLDER]
    carrier: Carrier = SmtpCarrier(settings.mail) if settings.mail.host else OutboxCarrier(folder.outbox)
    letters = Letters(settings.origin, folder.secret)
    return Delivery(app[DATABASE], letters, carrier, queue, sender(settings), app[NOW_MS])
