"""Every address of the server, in one table, with who may use it."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from storage.states import Role
from web import health, logo, sign_in
from web.candidate import before_start, interview
from web.candidate import takes as own_takes
from web.candidate.access import CandidateHandler, by_token
from web.keys import STATIC
from web.mail import opening
from web.recruiter import (
    account,
    candidate_profile,
    candidates,
    commenting,
    interviews,
    invitation_changes,
    jobs,
    joining,
    notifications,
    own_account,
    pipeline,
    review,
    scoring,
    sending,
    template_editor,
    template_preview,
    templates,
)
from web.recruiter import takes as submitted_takes
from web.recruiter.settings import mail, organisation, person, privacy, team
from web.sign_in import SignedInHandler, signed_in

ANYONE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/healthz", health.healthz),
    ("GET", "/robots.txt", health.robots),
    ("GET", "/mail/{mail_id}/{mark}.gif", opening.picture),
    ("GET", "/sign-in", sign_in.form),
    ("POST", "/sign-in", sign_in.submit),
    ("GET", "/join/{token}", joining.form),
    ("POST", "/join/{token}", joining.submit),
    ("GET", "/logo/{sha256}", logo.logo),
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
    ("POST", "/interviews/{id}/scores", scoring.give),
    ("POST", "/interviews/{id}/comments", commenting.post),
    ("POST", "/interviews/{id}/comments/draft", commenting.keep_draft),
    ("POST", "/interviews/{id}/comments/{comment_id}", commenting.edit),
    ("POST", "/interviews/{id}/comments/{comment_id}/delete", commenting.delete),
    ("POST", "/interviews/{id}/comments/{comment_id}/restore", commenting.restore),
    ("GET", "/notifications", notifications.listing),
    ("POST", "/notifications/read", notifications.read),
    # The viewer's own account.
    ("GET", "/account", own_account.form),
    ("POST", "/account", own_account.save),
    ("POST", "/account/password", own_account.set_password),
    ("GET", "/account/logins", account.listing),
    ("POST", "/account/logins", account.revoke),
    ("POST", "/sign-out", sign_in.sign_out),
)

FOR_RECRUITERS: tuple[tuple[str, str, SignedInHandler], ...] = (
    ("GET", "/settings", organisation.first),
    # Templates.
    ("GET", "/templates", templates.listing),
    ("POST", "/templates", templates.create),
    ("GET", "/templates/{template_id}", template_editor.editor),
    ("POST", "/templates/{template_id}", template_editor.submit),
    ("POST", "/templates/{template_id}/draft", templates.draft),
    ("POST", "/templates/{template_id}/discard", templates.discard),
    ("POST", "/templates/{template_id}/archive", templates.archive),
    ("POST", "/templates/{template_id}/restore", templates.restore),
    ("POST", "/templates/{template_id}/jobs", templates.attach),
    ("GET", "/templates/{template_id}/preview", template_preview.of_template),
    ("GET", "/templates/versions/{version_id}/preview", template_preview.of_version),
    # Jobs, candidates, pipeline.
    ("GET", "/jobs", jobs.listing),
    ("POST", "/jobs", jobs.create),
    ("GET", "/jobs/new", jobs.new_form),
    ("GET", "/jobs/{job_id}", pipeline.job),
    ("POST", "/jobs/{job_id}", jobs.rename),
    ("POST", "/jobs/{job_id}/close", jobs.close),
    ("POST", "/jobs/{job_id}/reopen", jobs.reopen),
    ("POST", "/jobs/{job_id}/members", jobs.set_members),
    ("POST", "/jobs/{job_id}/templates", jobs.set_templates),
    ("POST", "/jobs/{job_id}/move", pipeline.move),
    ("GET", "/jobs/{job_id}/candidates", pipeline.add_form),
    ("POST", "/jobs/{job_id}/candidates", pipeline.add),
    ("GET", "/candidates", candidates.listing),
    ("POST", "/candidates", candidates.create),
    ("GET", "/candidates/new", candidates.new_form),
    ("GET", "/candidates/move", pipeline.move_form),
    ("POST", "/candidates/move", pipeline.move_chosen),
    ("GET", "/candidates/{candidate_id}", candidate_profile.profile),
    ("POST", "/candidates/{candidate_id}", candidate_profile.edit),
    ("GET", "/candidates/{candidate_id}/edit", candidate_profile.edit_form),
    ("POST", "/candidates/{candidate_id}/applications", candidate_profile.add_application),
    # Sending, and what is done with an invitation.
    ("GET", "/send", sending.form),
    ("POST", "/send", sending.submit),
    ("GET", "/sendings/{sending_id}", sending.result),
    ("POST", "/interviews/{id}/resend", invitation_changes.resend),
    ("GET", "/interviews/{id}/cancel", invitation_changes.cancel_form),
    ("POST", "/interviews/{id}/cancel", invitation_changes.cancel),
    ("GET", "/interviews/{id}/extend", invitation_changes.extend_form),
    ("POST", "/interviews/{id}/extend", invitation_changes.extend),
    ("GET", "/interviews/{id}/link", invitation_changes.link),
)

FOR_ADMINS: tuple[tuple[str, str, SignedInHandler], ...] = (
    # Settings and team.
    ("GET", "/settings/organisation", organisation.form),
    ("POST", "/settings/organisation", organisation.save),
    ("POST", organisation.LOGO_PATH, organisation.save_logo),
    ("POST", "/settings/organisation/logo/remove", organisation.remove_logo),
    ("GET", "/settings/team", team.listing),
    ("POST", "/settings/team", team.invite),
    ("GET", "/settings/team/invites/{invite_id}/link", team.invite_link),
    ("POST", "/settings/team/invites/{invite_id}/resend", team.send_again),
    ("POST", "/settings/team/invites/{invite_id}/revoke", team.revoke),
    ("GET", "/settings/team/{user_id}", person.form),
    ("POST", "/settings/team/{user_id}", person.save),
    ("POST", "/settings/team/{user_id}/disable", person.disable),
    ("POST", "/settings/team/{user_id}/enable", person.enable),
    ("GET", "/settings/mail", mail.form),
    ("POST", "/settings/mail", mail.send_trial),
    ("GET", "/settings/privacy", privacy.form),
    ("POST", "/settings/privacy", privacy.save),
    ("GET", "/settings/privacy/{notice_id}", privacy.version),
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
