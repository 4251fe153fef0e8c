"""A template as the candidate will see it (R9), as a page of its own or within a dialog."""

from __future__ import annotations

from aiohttp import web

from storage import organisations, template_drafts, templates
from storage.errors import NotFound
from storage.logins import Login
from storage.organisations import Organisation
from storage.templates import TemplateVersion
from web.candidate.before_start import paragraphs
from web.errors import not_found
from web.keys import DATABASE
from web.recruiter import template_times as times
from web.recruiter.template_contexts import Preview, PreviewPage, PreviewQuestion
from web.rendering import page


async def of_template(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /templates/{template_id}/preview: the draft if there is one, else what is published."""
    organisation_id = login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        try:
            template = await templates.get(conn, request.match_info["template_id"], organisation_id=organisation_id)
        except NotFound:
            not_found()
        newest = (await template_drafts.versions(conn, template.id))[0]
        version = await templates.version(conn, newest.id)
    return _page(request, login, organisation, version)


async def of_version(request: web.Request, login: Login) -> web.StreamResponse:
    """GET /templates/versions/{version_id}/preview."""
    organisation_id = login.user.organisation_id
    async with request.app[DATABASE].read() as conn:
        organisation = await organisations.get(conn, organisation_id)
        try:
            version = await templates.own_version(
                conn, request.match_info["version_id"], organisation_id=organisation_id
            )
        except NotFound:
            not_found()
    return _page(request, login, organisation, version)


def preview_of(version: TemplateVersion, organisation: Organisation) -> Preview:
    """What the pages show of a version."""
    longest_min = templates.reckoned_minutes(version.questions)
    return Preview(
        company=organisation.name,
        template_name=version.template_name,
        number=version.number,
        draft=version.published_at_ms is None,
        language=times.LANGUAGES.get(version.language, version.language),
        difficulty=times.DIFFICULTIES[version.difficulty] if version.difficulty else "",
        focus_area=version.focus_area,
        duration_min=version.duration_min or longest_min,
        longest_min=longest_min,
        introduction=paragraphs(version.introduction),
        instructions=paragraphs(version.instructions),
        fields=[(field["label"], field["required"]) for field in version.details_fields],
        audio_only=version.audio_only_allowed,
        questions=[
            PreviewQuestion(
                number=each.position,
                text=each.text,
                rules=times.rules_words(each.think_s, each.limit_s, each.retakes),
                required=each.required,
                timed=each.think_s > 0,
            )
            for each in version.questions
        ],
    )


def _page(
    request: web.Request, login: Login, organisation: Organisation, version: TemplateVersion
) -> web.StreamResponse:
    context = PreviewPage(
        viewer=login.user,
        here="templates",
        zone=organisation.zone,
        template_id=version.template_id,
        preview=preview_of(version, organisation),
    )
    return page(request, "recruiter/template_preview.html", context)
