"""Where a peer is reached: its ICE credentials, the ways its checks came by, and the one it nominates.

A changed 5-tuple needs no more than a signed check from it, and an ICE restart (RFC 8445 §2.4, RFC 8839 §4.4.1.1)
no more than new credentials: keys, tracks and the take are the peer's and stay. Knows no media, and not whether a
way is UDP or TCP.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from recorder.ice import CheckRefused, Credentials, answer_check, local_ufrag
from recorder.routes import Route, Routes
from recorder.udp import MediaHandler

log = logging.getLogger(__name__)

MOST_ROUTES = 8
CHECKS_A_REFILL = 40
GENERATIONS = 2
"""Until the browser has our answer to a restart, it checks with the credentials of before."""
GRACE_US = 3_000_000
"""Once it nominates with the new ones, those of before serve only what is under way."""


@dataclass(frozen=True, slots=True)
class _Generation:
    ours: Credentials
    their_ufrag: str


class Reach:
    """`route` is the nominated one, else the first that was believed; `heard_us` is when the last check was believed,
    `reached_us` when the first was (0: none yet).

    `handler` takes the media of `owner` by every believed way.
    """

    def __init__(
        self,
        credentials: Credentials,
        their_ufrag: str,
        routes: Routes,
        owner: object,
        handler: MediaHandler,
        now_us: int,
    ) -> None:
        self.route: Route | None = None
        self.heard_us = now_us
        self.reached_us = 0
        self._routes, self._owner, self._handler = routes, owner, handler
        self._generations = [_Generation(credentials, their_ufrag)]
        self._believed: dict[bytes, Route] = {}
        """The last checked at the end."""
        self._checks_left = CHECKS_A_REFILL
        self._old_until_us: int | None = None
        self._nominated_anew = False

    @property
    def ufrags(self) -> list[str]:
        """Ours, the newest last: checks for any of them are answered."""
        return [each.ours.ufrag for each in self._generations]

    def restart(self, credentials: Credentials, their_ufrag: str) -> list[str]:
        """New credentials for the same peer; the ufrags that are ours no more."""
        self._generations.append(_Generation(credentials, their_ufrag))
        self._nominated_anew, self._old_until_us = False, None
        return self._keep(GENERATIONS)

    def _keep(self, newest: int) -> list[str]:
        given_up = self._generations[:-newest]
        del self._generations[:-newest]
        return [each.ours.ufrag for each in given_up]

    def check(self, message: bytes, route: Route, now_us: int, *, taken: bool) -> bool:
        """Answers a connectivity check and believes the way it came by, if it is signed; False if it came to nothing.

        `taken` says that another peer's media arrive by it now: a way in use is not taken over.
        """
        if self._checks_left <= 0:
            return False
        self._checks_left -= 1
        ufrag = local_ufrag(message)
        newest = self._generations[-1]
        generation = next((each for each in self._generations if each.ours.ufrag == ufrag), newest)
        try:
            found = answer_check(message, generation.ours, generation.their_ufrag, route.address)
        except CheckRefused as error:
            log.debug("a check from %s was refused: %s", route.address, error)
            return False
        self.heard_us = now_us
        if taken:
            return False
        route.believed()
        route.send(found.reply)
        self.reached_us = self.reached_us or now_us
        if found.nominated or self.route is None:
            self.route = route
        self._nominated_anew |= found.nominated and generation is newest
        self._believed.pop(route.key, None)
        self._believed[route.key] = route
        self._routes.give(route.key, self._owner, self._handler)
        if len(self._believed) > MOST_ROUTES:
            self._forget(next(key for key in self._believed if self.route is None or key != self.route.key))
        return True

    def _forget(self, key: bytes) -> None:
        """Gives a way up, unless another peer has it by now."""
        route = self._believed.pop(key)
        if self._routes.give_up(key, self._owner):
            route.close()

    def lost(self, key: bytes) -> None:
        """This way ended by itself; until another is nominated, the last checked of those left serves."""
        route = self._believed.pop(key, None)
        self._routes.give_up(key, self._owner)
        if route is not None and route is self.route:
            self.route = next(reversed(self._believed.values()), None)

    def send(self, datagram: bytes) -> None:
        if self.route is not None:
            self.route.send(datagram)

    def refill(self) -> None:
        """Every 200 ms: as many checks are looked at again."""
        self._checks_left = CHECKS_A_REFILL

    def outdated(self, now_us: int) -> list[str]:
        """Ends the credentials of before a restart, a little after the browser nominated with the new ones.

        The ufrags that are ours no more.
        """
        if len(self._generations) < GENERATIONS or not self._nominated_anew:
            return []
        if self._old_until_us is None:
            self._old_until_us = now_us + GRACE_US
        return self._keep(1) if now_us >= self._old_until_us else []

    def close(self) -> None:
        for key in list(self._believed):
            self._forget(key)
