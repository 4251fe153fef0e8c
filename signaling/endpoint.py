"""The candidate's WebSocket. What a hostile page does there reaches no further than its own socket.

One task reads, one writes. Whether this request may be here at all (the token, the notice, the Origin) is `web`'s.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import WSMsgType, web

from signaling.codes import ErrorCode
from signaling.hub import Hub
from signaling.messages import CLOSE_CODES, FRAME_LIMIT_BYTES, Ask, CloseCode, Hello, Offer, Restart, Tell
from signaling.session import LiveSession
from signaling.surroundings import Limits
from signaling.wire import FrameRefused, decode_ask, encode_tell, error, type_name

log = logging.getLogger(__name__)

SOCKET_LIMIT_BYTES = 4 * FRAME_LIMIT_BYTES  # up to here a frame that is too large is read, and refused with a sentence
CLOSE_TIMEOUT_S = 5.0


async def live(request: web.Request, hub: Hub, invitation_id: str) -> web.WebSocketResponse:
    """Serves one socket of this interview until it is closed."""
    socket = web.WebSocketResponse(
        heartbeat=hub.limits.heartbeat_s, max_msg_size=SOCKET_LIMIT_BYTES, timeout=CLOSE_TIMEOUT_S, compress=False
    )
    await socket.prepare(request)
    page = SocketPage(socket, hub.limits)
    admitted = hub.enter(invitation_id)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(page.write(request.transport))
            if admitted:
                await _Reader(socket, page, hub, invitation_id).read()
            else:
                page.close(CloseCode.FLOOD)
            page.end()
    finally:
        if admitted:
            hub.leave(invitation_id)
    return socket


class SocketPage:
    """What the server tells one page, in order, by one writer; closed when its outbox is full."""

    def __init__(self, socket: web.WebSocketResponse, limits: Limits) -> None:
        self.tab = ""
        self._socket = socket
        self._write_s = limits.write_s
        # Two more than `tell` uses: closing and ending always find room.
        self._outbox: asyncio.Queue[Tell | CloseCode | None] = asyncio.Queue(limits.outbox + 2)
        self._room = limits.outbox
        self._closing = False

    @property
    def closing(self) -> bool:
        return self._closing

    def tell(self, tell: Tell) -> None:
        if self._closing:
            return
        if self._outbox.qsize() >= self._room:
            while not self._outbox.empty():
                self._outbox.get_nowait()
            self.close(CloseCode.TOO_SLOW)
            return
        self._outbox.put_nowait(tell)

    def close(self, code: CloseCode) -> None:
        """After what was told before; what is told afterwards is dropped."""
        if not self._closing:
            self._closing = True
            self._outbox.put_nowait(code)

    def end(self) -> None:
        """The page is gone, or nothing more is read from it: ends `write`."""
        self._closing = True
        if not self._outbox.full():
            self._outbox.put_nowait(None)

    async def write(self, transport: asyncio.Transport | None) -> None:
        """Until `end` or the close. Never raises for what the network does."""
        try:
            while (item := await self._outbox.get()) is not None:
                async with asyncio.timeout(self._write_s):
                    if isinstance(item, CloseCode):
                        await self._socket.close(code=CLOSE_CODES[item], message=item.encode())
                        return
                    await self._socket.send_str(encode_tell(item))
        except (TimeoutError, ConnectionError, RuntimeError):
            self._closing = True
            if transport is not None:
                transport.abort()


class _Reader:
    """Turns what the page sends into asks of its session."""

    def __init__(self, socket: web.WebSocketResponse, page: SocketPage, hub: Hub, invitation_id: str) -> None:
        self._socket = socket
        self._page = page
        self._hub = hub
        self._invitation_id = invitation_id
        self._session: LiveSession | None = None
        self._refused_at = logging.INFO  # the first of a socket; the others may be as many as the page likes

    async def read(self) -> None:
        """Until the socket is closed by either side."""
        try:
            async with asyncio.timeout(self._hub.limits.hello_s) as hello:
                async for frame in self._socket:
                    if not self._frame(frame.type, frame.data):
                        break
                    if self._session is not None:
                        hello.reschedule(None)
        except TimeoutError:
            self._page.close(CloseCode.TOO_SLOW)
        finally:
            if self._session is not None:
                self._session.detach(self._page)

    def _frame(self, kind: WSMsgType, content: str | bytes) -> bool:
        """False when nothing more is to be read."""
        if self._page.closing or kind not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return False
        if not self._hub.asks.take(self._invitation_id):
            log.warning("invitation %s: a page asks too fast", self._invitation_id)
            self._refuse(ErrorCode.FLOOD, None)
            self._page.close(CloseCode.FLOOD)
            return False
        if not isinstance(content, str):
            self._refuse(ErrorCode.NOT_TEXT, None)
            return True
        try:
            self._asked(decode_ask(content))
        except FrameRefused as refused:
            log.log(self._refused_at, "invitation %s: a frame was refused: %s", self._invitation_id, refused)
            self._refused_at = logging.DEBUG
            self._page.tell(refused.error())
        return not self._page.closing

    def _asked(self, ask: Ask) -> None:
        match ask, self._session:
            case Hello(tab), None:
                self._page.tab = tab
                self._session = self._hub.attach(self._invitation_id, self._page)
            case Hello(), _:
                self._refuse(ErrorCode.HELLO_TWICE, "hello")
            case _, None:
                number = ask.number if isinstance(ask, Offer | Restart) else None
                raise FrameRefused(ErrorCode.HELLO_FIRST, type_name(type(ask)), number=number)
            case _, session:
                session.ask(self._page, ask)

    def _refuse(self, code: ErrorCode, about: str | None) -> None:
        self._page.tell(error(code, about))
