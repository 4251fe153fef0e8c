"""What a page asks of one session: refused with its code, or passed on to the rules, the connection or the sending.

Knows which page may ask; what an ask does to an answer is `interview`'s, when it is handled is `session`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import assert_never

from signaling import wire
from signaling.codes import ErrorCode
from signaling.conduct import Conduct, DatabaseTrouble
from signaling.interview import refusal_by_status
from signaling.link import Link, OfferAnswered
from signaling.messages import (
    Ask,
    Confirm,
    Hello,
    IceServers,
    Offer,
    Record,
    Relays,
    Remove,
    Restart,
    Reveal,
    Send,
    Stop,
    TakeOver,
)
from signaling.sending import Submission
from signaling.tabs import Page, Tabs

log = logging.getLogger(__name__)


class Asks:
    """Called by the session's loop alone, one ask at a time."""

    def __init__(
        self,
        conduct: Conduct,
        tabs: Tabs,
        link: Link,
        submission: Submission,
        may_offer: Callable[[], bool],
        ice_servers: Callable[[], IceServers],
    ) -> None:
        self._conduct = conduct
        self._tabs = tabs
        self._link = link
        self._submission = submission
        self._may_offer = may_offer
        self._ice_servers = ice_servers

    async def asked(self, page: Page, ask: Ask) -> bool:
        """Answers it. True if the pages have to be told a new state whatever the rules say."""
        if page is self._tabs.waiting:
            if isinstance(ask, TakeOver):
                return self._tabs.take_over(page)
            page.tell(wire.refusal(ErrorCode.RECORDING_ELSEWHERE, ask))
            return False
        if page is not self._tabs.owner:
            return False  # superseded, and closed already
        try:
            refused = await self._owner_asked(page, ask)
        except DatabaseTrouble:
            log.exception("%s could not be written", wire.type_name(type(ask)))
            refused = ErrorCode.SERVER_FAULT
        if refused is not None:
            page.tell(wire.refusal(refused, ask))
        return isinstance(ask, Send | Confirm) or (isinstance(ask, Offer) and refused is None)

    async def offer_answered(self, done: OfferAnswered) -> None:
        """The recorder's answer reaches the page, unless something forbids it by now."""
        refused = refusal_by_status(self._conduct.status) or self._offer_refusal()
        if self._conduct.recording is not None and done.take_id != self._conduct.recording:
            refused = refused or ErrorCode.TAKE_RUNNING  # it began meanwhile, with the connection of before
        has_video = done.connected is None or done.connected.has_video
        kept = self._conduct.record
        pictured = self._conduct.recording is not None and not kept.invitation.audio_only
        if not has_video and (pictured or not kept.audio_only_allowed):
            refused = refused or ErrorCode.VIDEO_REQUIRED
        if self._tabs.present(done.page) is not self._tabs.owner:
            refused = ErrorCode.OFFER_REPLACED
        if self._link.answered(done, refused):
            await self._conduct.note_audio_only(not has_video)

    async def _owner_asked(self, page: Page, ask: Ask) -> ErrorCode | None:
        match ask:
            case Hello():
                return ErrorCode.HELLO_TWICE
            case TakeOver():
                return ErrorCode.NOTHING_TO_TAKE_OVER
            case Relays():
                refused = refusal_by_status(self._conduct.status)
                if refused is None:
                    page.tell(self._ice_servers())
                return refused
            case Offer() | Restart() if not self._may_offer():
                return ErrorCode.BUSY  # each costs the recorder milliseconds that others need
            case Offer():
                refused = refusal_by_status(self._conduct.status) or self._offer_refusal()
                if refused is None:
                    self._link.offer(page, ask)
                    self._tabs.pressed(page)  # no page turns its camera on without one
                return refused
            case Restart():
                return refusal_by_status(self._conduct.status) or self._link.restart(page, ask)
            case Reveal() | Record() | Stop() | Remove():
                return await self._conduct.ask(ask)
            case Send():
                return self._submission.send(self._conduct)
            case Confirm():
                return await self._submission.confirm(self._conduct)
            case _:
                assert_never(ask)

    def _offer_refusal(self) -> ErrorCode | None:
        """A recording goes on with the connection of an offer; a countdown is over before one could be there."""
        counts_down = self._conduct.running is not None and self._conduct.recording is None
        return ErrorCode.TAKE_RUNNING if counts_down else None
