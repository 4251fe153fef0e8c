"""Which of a candidate's pages counts: the newest, except that a live recording is taken over only by a press.

Knows pages as something that can be told and closed; knows no socket and no rule of an answer.
"""

from __future__ import annotations

from typing import Protocol

from signaling.messages import CloseCode, Superseded, Tell


class Page(Protocol):
    """One open socket. Neither function waits or raises; a page that cannot keep up closes itself."""

    @property
    def tab(self) -> str: ...

    def tell(self, tell: Tell) -> None: ...

    def close(self, code: CloseCode) -> None: ...


class Tabs:
    """At most two pages: the owner, and one that waits while the owner records."""

    def __init__(self) -> None:
        self.owner: Page | None = None
        self.waiting: Page | None = None

    def __bool__(self) -> bool:
        return self.owner is not None or self.waiting is not None

    def attach(self, page: Page, *, recording: bool) -> None:
        """A page said hello. With the owner's own `tab` it is the owner on a new socket."""
        if self.owner is None:
            self.owner = page
        elif self.owner.tab == page.tab:
            self.owner.close(CloseCode.SUPERSEDED)
            self.owner = page
        elif recording:
            if self.waiting is not None:
                _supersede(self.waiting)
            self.waiting = page
        else:
            self._replace(page)

    def take_over(self, page: Page) -> bool:
        """False when this page is not the one that waits."""
        if self.waiting is not page:
            return False
        self._replace(page)
        return True

    def detach(self, page: Page) -> bool:
        """The page's socket is closed; a waiting one moves up. False when the page did not count any more."""
        if self.owner is page:
            self.owner, self.waiting = self.waiting, None
        elif self.waiting is page:
            self.waiting = None
        else:
            return False
        return True

    def close(self, code: CloseCode) -> None:
        for page in (self.owner, self.waiting):
            if page is not None:
                page.close(code)
        self.owner = self.waiting = None

    def _replace(self, page: Page) -> None:
        for other in (self.owner, self.waiting):
            if other is not None and other is not page:
                _supersede(other)
        self.owner, self.waiting = page, None


def _supersede(page: Page) -> None:
    page.tell(Superseded())
    page.close(CloseCode.SUPERSEDED)
