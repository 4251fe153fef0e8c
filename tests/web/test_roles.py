"""Every route of the table: who is signed out is sent to sign in and back, and each role gets its pages or a 403.

The table itself is walked, so a new route is covered the moment it is in it.
"""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from storage import job_members, users
from storage.ids import new_id
from storage.schema import NoticeKind, applications, invitations, notices, template_versions
from storage.states import Role
from tests.web.team_world import another_browser, browser_of, colleague, signed_in
from tests.web.world import Client, Site, text_of
from web import routes
from web.errors import _WRONG_ROLE
from web.keys import DATABASE
from web.routes import ANYONE, BY_ROLE, FOR_ADMINS, FOR_EVERYONE_SIGNED_IN, FOR_RECRUITERS, SIGNED_IN, WITH_THE_LINK

ROLES = {(method, path): roles for table, roles in BY_ROLE for method, path, _ in table}
NOBODY = "0" * 32
# What a well-meant request with an unknown id or an empty form may be answered with.
TAKEN = {200, 303, 400, 404, 409, 410, 422}


EVERY = sorted(ROLES)
LAST_OUT = sorted(EVERY, key=lambda each: each[1] == "/sign-out")
READ = [(method, path) for method, path in EVERY if method == "GET"]


def unknown(path: str) -> str:
    """The path with ids that nothing has."""
    return re.sub(r"\{[a-z0-9_]+(:[^}]*)?\}", NOBODY, path)


async def known_ids(site: Site) -> dict[str, str]:
    """An id of the demo for each name that a path may hold; those it has nothing for are unknown ones."""
    first = site.invitation
    async with site.app[DATABASE].read() as conn:
        row = (
            await conn.execute(
                select(
                    applications.c.candidate_id,
                    applications.c.job_id,
                    invitations.c.version_id,
                    template_versions.c.template_id,
                )
                .join(applications, applications.c.id == invitations.c.application_id)
                .join(template_versions, template_versions.c.id == invitations.c.version_id)
                .where(invitations.c.id == first.id)
            )
        ).one()
        ours = notices.c.organisation_id == first.organisation_id
        notice_id = await conn.scalar(select(notices.c.id).where(ours, notices.c.kind == NoticeKind.PRIVACY))
    return {"id": first.id, "notice_id": str(notice_id), **row._asdict()}


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{([a-z0-9_]+)(:[^}]*)?\}", lambda found: ids.get(found[1], NOBODY), path)


async def asked(browser: Client, method: str, path: str) -> tuple[int, str, str]:
    """Status, where to, and the page in words."""
    data = {} if method == "POST" else None
    async with browser.request(method, path, data=data, allow_redirects=False) as response:
        words = text_of(await response.text()) if response.content_type == "text/html" else ""
        return response.status, response.headers.get("Location", ""), words


def test_the_tables_hold_every_address_that_the_server_answers(site: Site) -> None:
    in_tables = {(method, path) for table in (ANYONE, WITH_THE_LINK, SIGNED_IN) for method, path, _ in table}
    answered = {
        (route.method, route.resource.canonical)
        for route in site.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    files = {("GET", path) for _, path in answered if path.startswith("/static/")}
    assert {(method, re.sub(r":[^}]*\}", "}", path)) for method, path in in_tables} == answered - files
    assert len(in_tables) == sum(len(table) for table in (ANYONE, WITH_THE_LINK, SIGNED_IN))


def test_every_route_behind_a_sign_in_names_its_roles_once() -> None:
    assert len(ROLES) == len(SIGNED_IN) == len(FOR_EVERYONE_SIGNED_IN) + len(FOR_RECRUITERS) + len(FOR_ADMINS)
    assert all(Role.ADMIN in roles for roles in ROLES.values())
    assert [table for table, _ in routes.BY_ROLE] == [FOR_EVERYONE_SIGNED_IN, FOR_RECRUITERS, FOR_ADMINS]


async def test_who_is_signed_out_is_sent_to_the_sign_in_page_and_the_way_back_is_kept(site: Site) -> None:
    ids, wrong = await known_ids(site), []
    for method, path in EVERY:
        wanted = filled(path, ids)
        status, location, _ = await asked(site.client, method, wanted)
        if method == "GET":
            right = status == 303 and location.startswith("/sign-in?next=")
            form = await (await site.client.get(location)).text() if right else ""
            right = re.findall(r'name="next" value="([^"]*)"', form) == [wanted]
        else:
            right = (status, location) == (303, "/sign-in")
        if not right:
            wrong.append((method, path, status, location))
    assert not wrong


async def test_a_path_with_a_question_comes_back_with_it(site: Site) -> None:
    _, location, _ = await asked(site.client, "GET", "/candidates?q=kim&state=invited")
    form = await (await site.client.get(location)).text()
    assert 'name="next" value="/candidates?q=kim&amp;state=invited"' in form


@pytest.mark.parametrize("role", Role)
async def test_each_role_gets_its_pages_and_a_403_for_the_others(site: Site, role: Role) -> None:
    """Pages are opened with ids that exist; presses go to ids that do not, so that none undoes the next."""
    ids, wrong = await known_ids(site), []
    user = await signed_in(site, role)
    if role is Role.REVIEWER:
        async with site.app[DATABASE].write() as conn:
            await job_members.set_jobs(conn, user.id, [ids["job_id"]])
    for method, path in LAST_OUT:
        wanted = filled(path, ids) if method == "GET" else unknown(path)
        status, location, words = await asked(site.client, method, wanted)
        if role in ROLES[method, path]:
            right = status in TAKEN and (not location.startswith("/sign-in") or path == "/sign-out")
        else:
            right = status == 403 and _WRONG_ROLE[0] in words and _WRONG_ROLE[1] in words
        if not right:
            wrong.append((method, path, status, location))
    assert not wrong


# What is opened by an id that the demo has nothing for.
NOT_IN_THE_DEMO = {"take_id", "invite_id", "user_id", "comment_id", "sending_id", "mail_id"}
OPENED = [(method, path) for method, path in READ if not NOT_IN_THE_DEMO & set(re.findall(r"\{([a-z0-9_]+)", path))]


async def test_an_admin_can_open_every_page_and_it_is_a_whole_one(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    ids, wrong = await known_ids(site), []
    for method, path in OPENED:
        response = await site.client.request(method, filled(path, ids))
        if not response.content_type.startswith("text/html"):
            continue
        page = await response.text()
        whole = len(re.findall(r"<h1\b", page)) == 1 and re.search(r"<title>[^<]+</title>", page)
        # Sending to nobody is a mistake, said on its own page.
        if not whole or response.status != (422 if path == "/send" else 200):
            wrong.append((path, response.status))
    assert not wrong


OWNED = [(method, path) for method, path in EVERY if "{" in path]


async def test_another_organisations_things_are_not_found(site: Site) -> None:
    """Their admin asks for ours, by ids that exist: as unknown as those that do not."""
    email = await site.another_organisations_recruiter()
    await make_admin(site, email)
    await site.sign_in(email)
    ids, wrong = await known_ids(site), []
    ours = (site.invitation.candidate_name, site.invitation.candidate_email, site.invitation.job_title)
    for method, path in OWNED:
        status, _, words = await asked(site.client, method, filled(path, ids))
        nothing, _, _ = await asked(site.client, method, unknown(path))
        if status not in {404, 400, 422} or status != nothing or any(secret in words for secret in ours):
            wrong.append((method, path, status, nothing))
    assert not wrong


async def make_admin(site: Site, email: str) -> None:
    async with site.app[DATABASE].write() as conn:
        user = await users.by_email(conn, email)
        assert user is not None
        await users.set_role(conn, user.id, organisation_id=user.organisation_id, role=Role.ADMIN)


async def test_a_reviewer_sees_the_interviews_of_their_jobs_and_no_other(site: Site) -> None:
    other = await site.invite(name="Kim Ek")
    reviewer = await colleague(site, Role.REVIEWER)
    browser = await browser_of(site, reviewer)
    for each in (site.invitation, other):
        assert (await asked(browser, "GET", f"/interviews/{each.id}"))[0] == 404
    ids = await known_ids(site)
    async with site.app[DATABASE].write() as conn:
        await job_members.set_jobs(conn, reviewer.id, [ids["job_id"]])
    assert (await asked(browser, "GET", f"/interviews/{site.invitation.id}"))[0] == 200
    assert (await asked(browser, "GET", f"/interviews/{other.id}"))[0] == 404
    words = (await asked(browser, "GET", "/interviews"))[2]
    assert site.invitation.candidate_name in words
    assert "Kim Ek" not in words


@pytest.mark.parametrize(("role", "shown"), [(Role.ADMIN, 5), (Role.RECRUITER, 5), (Role.REVIEWER, 1)])
async def test_the_rail_offers_only_what_ones_role_may_open(site: Site, role: Role, shown: int) -> None:
    await signed_in(site, role)
    page = await (await site.get("/account")).text()
    rail = page.split('class="rail-nav"')[1].split("</nav>")[0]
    links = re.findall(r'href="([^"]+)"', rail)
    assert len(links) == shown
    for link in links:
        response = await site.client.get(link)
        assert response.status == 200, link


@pytest.mark.parametrize("role", [Role.ADMIN, Role.RECRUITER])
async def test_the_settings_offer_only_what_ones_role_may_open(site: Site, role: Role) -> None:
    await signed_in(site, role)
    page = await (await site.client.get("/settings")).text()
    if "settings-nav" not in page:
        pytest.fail("the settings have no navigation")
    links = re.findall(r'href="([^"]+)"', page.split('class="settings-nav"')[1].split("</nav>")[0])
    assert ("/settings/team" in links) == (role is Role.ADMIN)
    for link in links:
        assert (await site.client.get(link)).status == 200, link


async def test_what_anyone_may_open_asks_nobody_to_sign_in(site: Site) -> None:
    for method, path, _ in ANYONE:
        status, location, _ = await asked(another_browser(site), method, unknown(path))
        assert status in {200, 404, 422}, (method, path)
        assert not location, (method, path)


async def test_a_candidates_pages_are_found_by_the_link_alone(site: Site) -> None:
    for method, path, _ in WITH_THE_LINK:
        wrong = path.replace("{token}", new_id() + new_id()[:11])
        status, location, _ = await asked(site.client, method, unknown(wrong))
        assert (status, location) == (404, ""), (method, path)
