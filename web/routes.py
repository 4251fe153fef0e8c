"""Every address of the server, in one table, with who may use it."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from storage.states import Role
from web import health, sign_in
from web.candidate import before_start, interview
from web.candidate import takes as own_takes
from web.candidate.access import CandidateHandler, by_token
from web.keys import STATIC
from web.recruiter import account, interviews, review
from web.recruiter import takes as submitted_takes
from web.sign_in import SignedInHandler, signed_in

ANYONE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/healthz", health.healthz),
    ("GET", "/robots.txt", health.robots),
    ("GET", "/sign-in", sign_in.form),
    ("POST", "/sign-in", sign_in.submit),
)

WITH_THE_LINK: tuple[tuple[str, str, CandidateHandler], ...] = (
    ("GET", "/i/{token}", before_start.link),
    ("GET", "/i/{token}/", before_start.link),
    ("GET", "/i/{token}/notice", before_start.notice_form),
    ("POST", "/i/{token}/notice", before_start.accept_notice),
    ("GET", "/i/{token}/details", before_start.details_form),
    ("POST", "/i/{token}/details", before_start.save_details),
    ("GET", "/i/{token}/introduction", before_start.introduction),
    ("POST", "/i/{token}/start", before_start.start),
    ("GET", "/i/{token}/interview", interview.interview),
    ("GET", "/i/{token}/live", interview.live),
    ("GET", "/i/{token}/takes/{take_id}", own_takes.recording),
    ("GET", "/i/{token}/takes/{take_id}/poster", own_takes.poster),
    ("GET", "/i/{token}/receipt", interview.receipt),
)

# Reviewers too; which interviews they may open is for the handlers to check (`web.recruiter.access`).
FOR_EVERYONE_SIGNED_IN: tuple[tuple[str, str, SignedInHandler], ...] = (
    ("GET", "/", interviews.home),
    ("GET", "/interviews", interviews.listing),
    ("GET", "/interviews/{id}", review.review),
    ("GET", "/interviews/{id}/takes/{take_id}", submitted_takes.recording),
    ("GET", "/interviews/{id}/takes/{take_id}/poster", submitted_takes.poster),
    ("GET", "/interviews/{id}/takes/{take_id}/waveform", submitted_takes.waveform),
    # Review: scores, comments, notifications.
    # The viewer's own account.
    ("GET", "/account/logins", account.listing),
    ("POST", "/account/logins", account.revoke),
    ("POST", "/sign-out", sign_in.sign_out),
)

FOR_RECRUITERS: tuple[tuple[str, str, SignedInHandler], ...] = (
    # Templates.
    # Jobs, candidates, pipeline.
    # Sending, and what is done with an invitation.
)

FOR_ADMINS: tuple[tuple[str, str, SignedInHandler], ...] = (
    # Settings and team.
)


BY_ROLE = (
    (FOR_EVERYONE_SIGNED_IN, frozenset(Role)),
    (FOR_RECRUITERS, frozenset({Role.ADMIN, Role.RECRUITER})),
    (FOR_ADMINS, frozenset({Role.ADMIN})),
)


SIGNED_IN = FOR_EVERYONE_SIGNED_IN + FOR_RECRUITERS + FOR_ADMINS


def register(app: web.Application) -> None:
    """Adds them all; GET answers HEAD too."""
    for method, path, handler in ANYONE:
        _add(app, method, path, handler)
    for method, path, with_link in WITH_THE_LINK:
        _add(app, method, path, by_token(with_link))
    for routes, roles in BY_ROLE:
        for method, path, for_team in routes:
            _add(app, method, path, signed_in(for_team, roles))
    _add(app, "GET", "/static/{tree}/{name:.+}", app[STATIC].serve)


def _add(app: web.Application, method: str, path: str, handler: Handler) -> None:
    if method == "GET":
        app.router.add_get(path, handler, allow_head=True)
    else:
        app.router.add_route(method, path, handler)
