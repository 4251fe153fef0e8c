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
    """At most two pages: the owner, and one that waits while the owner records.

    `holder` is the tab whose camera a running take records, as long as its media flow: while there is one, no other
    tab becomes the owner without a press, though the holder's socket may be away. `recorder` is the same tab whether
    they flow or not: one that moved up without a press gives its seat back to it.
    """

    def __init__(self) -> None:
        self.owner: Page | None = None
        self.waiting: Page | None = None
        self._pressed: str | None = None

    def __bool__(self) -> bool:
        return self.owner is not None or self.waiting is not None

    def attach(self, page: Page, *, recording: bool, holder: str | None, recorder: str | None = None) -> None:
        """A page said hello. With the owner's own `tab` it is the owner on a new socket."""
        if self.owner is not None and self.owner.tab == page.tab:
            self.owner.close(CloseCode.SUPERSEDED)
            self.owner = page
        elif self.owner is None and holder in (None, page.tab):
            self.owner = page
        elif recording:
            if self.waiting is not None:
                _supersede(self.waiting)
            self.waiting = page
            if self.owner is not None and page.tab == recorder and self.owner.tab != self._pressed:
                self.owner, self.waiting = page, self.owner
        else:
            self._replace(page)

    def take_over(self, page: Page) -> bool:
        """False when this page is not the one that waits."""
        if self.waiting is not page:
            return False
        self._replace(page)
        self.pressed(page)
        return True

    def pressed(self, page: Page) -> None:
        """Somebody pressed in this page: its tab keeps the recording, whichever other one comes back."""
        self._pressed = page.tab

    def detach(self, page: Page) -> bool:
        """The page's socket is closed. False when the page did not count any more."""
        if self.owner is page:
            self.owner = None
        elif self.waiting is page:
            self.waiting = None
        else:
            return False
        return True

    def move_up(self, holder: str | None) -> bool:
        """The page that waits becomes the owner when there is none and nothing keeps it. False if nothing changed."""
        if self.owner is not None or self.waiting is None or holder not in (None, self.waiting.tab):
            return False
        self.owner, self.waiting = self.waiting, None
        return True

    def present(self, page: Page) -> Page:
        """This page, or the one that came after it in the same tab, on a new socket."""
        return next((each for each in (self.owner, self.waiting) if each is not None and each.tab == page.tab), page)

    def tell(self, page: Page, tell: Tell) -> None:
        """What was asked on one socket is answered on the one that its tab has by now."""
        self.present(page).tell(tell)

    def close(self, code: CloseCode) -> None:
        for page in (self.owner, self.waiting):
            if page is not None:
                page.close(code)
        self.owner = self.waiting = None

    def _replace(self, page: Page) -> None:
        for other in (self.owner, self.waiting):
            if other is not None and other is not page:
                _supersede(other)
        self.owner, self.waiting, self._pressed = page, None, None


def _supersede(page: Page) -> None:
    page.tell(Superseded())
    page.close(CloseCode.SUPERSEDED)
