"""The hiring team: who is in it with which role, inviting, joining, and one's own account."""

from __future__ import annotations

import re

import pytest

from storage import job_members, jobs, users
from storage.states import MailKind, Role
from storage.team_invites import LASTS_MS
from tests.web.team_world import (
    another_browser,
    browser_of,
    colleague,
    field_value,
    join_path,
    letters,
    signed_in,
    the_invite,
    told,
)
from tests.web.world import PASSWORD, Site, text_of
from web import demo
from web.keys import DATABASE

NEW = "kari@meadow.example"
JOINING = {"name": "Kari Niemi", "password": "a-long-enough-one"}


async def invite(site: Site, email: str = NEW, role: str = "recruiter", **more: str) -> str:
    """The sentence that the page says."""
    response = await site.post("/settings/team", {"email": email, "role": role, **more})
    if response.status != 303:
        assert response.status == 422
        return text_of(await response.text())
    return text_of(await (await site.get(response.headers["Location"])).text())


async def a_job(site: Site, title: str = "Baker") -> str:
    async with site.app[DATABASE].write() as conn:
        made = await jobs.create(
            conn, organisation_id=site.invitation.organisation_id, title=title, now_ms=site.clock.now_ms
        )
    return made.id


async def found(site: Site, email: str) -> users.User | None:
    async with site.app[DATABASE].read() as conn:
        return await users.by_email(conn, email)


async def test_an_invited_colleague_joins_with_a_name_and_a_password_and_is_in(site: Site) -> None:
    admin = await signed_in(site, Role.ADMIN)
    assert "Invited." in await invite(site, " Kari@Meadow.example ")
    assert await letters(site, MailKind.TEAM_INVITE) == [NEW]
    made = await the_invite(site, NEW)
    [event] = await told(site, "team_invite", made.id)
    assert (event.kind, event.actor) == ("user.invited", f"user:{admin.id}")
    browser, path = another_browser(site), join_path(site, made)
    page = await (await browser.get(path)).text()
    assert "Aino Virtanen invites you to the hiring team, as Recruiter." in page
    assert field_value(page, "email") == NEW
    joined = await browser.post(path, data=JOINING, allow_redirects=False)
    assert (joined.status, joined.headers["Location"]) == (303, "/candidates")
    account = await (await browser.get("/account")).text()
    assert field_value(account, "name") == "Kari Niemi"
    user = await found(site, NEW)
    assert user is not None
    assert user.role is Role.RECRUITER
    assert [event.kind for event in await told(site, "user", user.id)] == ["user.joined"]
    assert (
        await another_browser(site).post("/sign-in", data={"email": NEW, **JOINING}, allow_redirects=False)
    ).status == 303
    team = text_of(await (await site.get("/settings/team")).text())
    assert "Kari Niemi" in team
    assert "not here yet" not in team


async def test_looking_at_an_invite_uses_nothing_up_and_joining_does(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    await invite(site)
    path = join_path(site, await the_invite(site, NEW))
    for _ in range(3):
        assert (await another_browser(site).get(path)).status == 200
    assert (await another_browser(site).post(path, data=JOINING, allow_redirects=False)).status == 303
    for response in (
        await another_browser(site).get(path),
        await another_browser(site).post(path, data=JOINING | {"name": "Somebody Else"}),
    ):
        assert response.status == 410
        assert "This invite was used" in await response.text()
    user = await found(site, NEW)
    assert user is not None
    assert user.name == "Kari Niemi"


async def test_a_revoked_invite_says_so_and_lets_nobody_in(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    await invite(site)
    made = await the_invite(site, NEW)
    revoked = await site.post(f"/settings/team/invites/{made.id}/revoke")
    assert revoked.headers["Location"].endswith("done=revoked")
    again = await site.post(f"/settings/team/invites/{made.id}/revoke")
    assert again.headers["Location"].endswith("done=gone")
    assert (await site.post(f"/settings/team/invites/{made.id}/resend")).headers["Location"].endswith("done=gone")
    response = await another_browser(site).post(join_path(site, made), data=JOINING)
    assert response.status == 410
    assert "withdrawn" in await response.text()
    assert await found(site, NEW) is None
    assert [event.kind for event in await told(site, "team_invite", made.id)] == ["user.uninvited", "user.invited"]
    assert "Invited." in await invite(site)


async def test_an_invite_runs_out_after_seven_days_and_opens_again_when_sent_again(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    await invite(site)
    made = await the_invite(site, NEW)
    site.clock.now_ms += LASTS_MS
    expired = await another_browser(site).get(join_path(site, made))
    assert expired.status == 410
    assert "has expired" in await expired.text()
    assert "Expired" in text_of(await (await site.get("/settings/team")).text())
    assert (await site.get(f"/settings/team/invites/{made.id}/link")).status == 404
    for done in ("again", "too-soon"):
        resent = await site.post(f"/settings/team/invites/{made.id}/resend")
        assert resent.headers["Location"] == f"/settings/team?done={done}"
    assert await letters(site, MailKind.TEAM_INVITE) == [NEW, NEW]
    assert (await another_browser(site).get(join_path(site, made))).status == 200


async def test_the_link_of_an_invite_can_be_handed_over(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    await invite(site)
    made = await the_invite(site, NEW)
    response = await site.get(f"/settings/team/invites/{made.id}/link")
    assert response.headers["Cache-Control"] == "no-store"
    assert join_path(site, made) in await response.text()


@pytest.mark.parametrize("path", ["/join/abc", "/join/" + "A" * 43, "/join/" + "A" * 42 + "%00"])
async def test_an_unknown_invite_is_not_found(site: Site, path: str) -> None:
    assert (await site.get(path)).status == 404
    assert (await site.post(path, JOINING)).status == 404


async def test_a_candidates_link_never_opens_the_team(site: Site) -> None:
    assert (await site.get(site.link.replace("/i/", "/join/"))).status == 404


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": " "}, "Type your name"),
        ({"name": "Kari\nNiemi"}, "the line break was left out"),
        ({"name": "K" * 201}, "201 characters long"),
        ({"password": "short"}, "at least 10 characters"),
        ({"password": ""}, "at least 10 characters"),
        ({"password": "x" * 513}, "at most 512 characters"),
    ],
)
async def test_a_mistake_when_joining_is_said_and_the_invite_stays_open(
    site: Site, typed: dict[str, str], sentence: str
) -> None:
    await signed_in(site, Role.ADMIN)
    await invite(site)
    path = join_path(site, await the_invite(site, NEW))
    response = await another_browser(site).post(path, data=JOINING | typed)
    page = await response.text()
    assert response.status == 422
    assert sentence in page
    assert page.count('aria-invalid="true"') == 1
    assert JOINING["password"] not in page
    assert (await another_browser(site).post(path, data=JOINING, allow_redirects=False)).status == 303


async def test_who_got_an_account_meanwhile_is_told_to_sign_in(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    await invite(site)
    path = join_path(site, await the_invite(site, NEW))
    async with site.app[DATABASE].write() as conn:
        await users.create(
            conn,
            organisation_id=site.invitation.organisation_id,
            email=NEW,
            name="Kari",
            role=Role.RECRUITER,
            password_hash="x",
            now_ms=site.clock.now_ms,
        )
    response = await another_browser(site).post(path, data=JOINING)
    assert response.status == 410
    assert "You have an account already" in await response.text()


async def test_joining_in_a_browser_of_somebody_else_says_whose_it_is(site: Site) -> None:
    admin = await signed_in(site, Role.ADMIN)
    await invite(site)
    page = text_of(await (await site.get(join_path(site, await the_invite(site, NEW)))).text())
    assert f"signed in as {admin.email}" in page


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("", "Type an e-mail address"),
        ("kari", "It looks like name@example.com"),
        ("kari@", "It looks like name@example.com"),
        ("kari@localhost", "It looks like name@example.com"),
        ("kari@meadow.example\nBcc: x@example.com", "the line break was left out"),
        (demo.EMAIL.upper(), "who is in the team already"),
        ("eli@elsewhere.example", "has an account on this server already"),
    ],
)
async def test_an_address_that_cannot_be_invited_is_said_and_kept(site: Site, email: str, sentence: str) -> None:
    await site.another_organisations_recruiter()
    await signed_in(site, Role.ADMIN)
    response = await site.post("/settings/team", {"email": email, "role": "reviewer"})
    page = await response.text()
    assert response.status == 422
    assert sentence in text_of(page)
    assert field_value(page, "email") == email.replace("\n", " ")
    assert re.search(r'value="reviewer" required checked', page)
    assert await letters(site, MailKind.TEAM_INVITE) == []


async def test_an_address_with_an_open_invite_is_not_invited_twice(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    await invite(site)
    assert "has an open invite already" in await invite(site, NEW.upper())
    assert await letters(site, MailKind.TEAM_INVITE) == [NEW]


async def test_a_disabled_colleague_is_enabled_not_invited(site: Site) -> None:
    gone = await colleague(site, Role.RECRUITER, "Olli")
    await signed_in(site, Role.ADMIN)
    await site.post(f"/settings/team/{gone.id}/disable")
    said = await invite(site, gone.email)
    assert "This is Olli, whose account is disabled. Enable it instead. Open their page" in said


async def test_an_invite_without_a_role_is_asked_for_one(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    assert "Choose a role." in await invite(site, role="owner")


async def test_a_reviewer_is_invited_to_chosen_jobs_and_has_them_after_joining(site: Site) -> None:
    job_id = await a_job(site)
    await signed_in(site, Role.ADMIN)
    await invite(site, role="reviewer", job=job_id)
    browser = another_browser(site)
    path = join_path(site, await the_invite(site, NEW))
    joined = await browser.post(path, data=JOINING, allow_redirects=False)
    assert joined.headers["Location"] == "/interviews"
    user = await found(site, NEW)
    assert user is not None
    async with site.app[DATABASE].read() as conn:
        assert await job_members.jobs_of(conn, user.id) == [job_id]
    assert "Baker" in text_of(await (await site.get("/settings/team")).text())


async def test_a_job_of_another_organisation_is_no_choice(site: Site) -> None:
    email = await site.another_organisations_recruiter()
    other = await found(site, email)
    assert other is not None
    async with site.app[DATABASE].write() as conn:
        theirs = await jobs.create(
            conn, organisation_id=other.organisation_id, title="Theirs", now_ms=site.clock.now_ms
        )
    reviewer = await colleague(site, Role.REVIEWER)
    await signed_in(site, Role.ADMIN)
    form = {"email": NEW, "role": "reviewer", "job": theirs.id}
    assert (await site.post("/settings/team", form)).status == 400
    assert (await site.post(f"/settings/team/{reviewer.id}", form)).status == 400
    assert (await site.get(f"/settings/team/{other.id}")).status == 404
    for what in ("", "/disable", "/enable"):
        assert (await site.post(f"/settings/team/{other.id}{what}", {"role": "reviewer"})).status == 404


async def test_a_role_and_its_jobs_are_changed_and_count_at_once(site: Site) -> None:
    job_id = await a_job(site)
    admin = await signed_in(site, Role.ADMIN)
    person = await colleague(site, Role.RECRUITER)
    theirs = await browser_of(site, person)
    assert (await theirs.get("/templates", allow_redirects=False)).status == 200
    saved = await site.post(f"/settings/team/{person.id}", {"role": "reviewer", "job": job_id})
    assert saved.headers["Location"] == f"/settings/team/{person.id}?done=saved"
    assert (await theirs.get("/templates", allow_redirects=False)).status == 403
    page = await (await site.get(saved.headers["Location"])).text()
    assert f'value="{job_id}" checked' in page
    [event] = await told(site, "user", person.id)
    assert (event.kind, event.actor) == ("user.role", f"user:{admin.id}")
    assert event.detail == {"from": "recruiter", "to": "reviewer"}


async def test_jobs_that_the_page_had_no_room_for_are_not_taken_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = ["A job", "B job", "C job"]
    first, second, third = [await a_job(site, title) for title in titles]
    await signed_in(site, Role.ADMIN)
    person = await colleague(site, Role.REVIEWER)
    async with site.app[DATABASE].write() as conn:
        await job_members.set_jobs(conn, person.id, [first, third])
    monkeypatch.setattr(job_members, "JOBS_LIMIT", 2)
    page = await (await site.get(f"/settings/team/{person.id}")).text()
    assert [title in page for title in titles] == [True, True, False]
    await site.post(f"/settings/team/{person.id}", {"role": "reviewer", "job": second})
    async with site.app[DATABASE].read() as conn:
        assert set(await job_members.jobs_of(conn, person.id)) == {second, third}


async def test_a_disabled_colleagues_live_logins_end_at_once(site: Site) -> None:
    await signed_in(site, Role.ADMIN)
    person = await colleague(site, Role.RECRUITER)
    theirs = await browser_of(site, person)
    assert (await theirs.get("/account", allow_redirects=False)).status == 200
    disabled = await site.post(f"/settings/team/{person.id}/disable")
    assert disabled.headers["Location"].endswith("done=disabled")
    assert (await theirs.get("/account", allow_redirects=False)).headers["Location"].startswith("/sign-in")
    form = {"email": person.email, "password": PASSWORD}
    refused = await another_browser(site).post("/sign-in", data=form)
    assert refused.status == 422
    assert "This account is disabled" in await refused.text()
    wrong = await another_browser(site).post("/sign-in", data=form | {"password": "wrong"})
    assert "disabled" not in await wrong.text()
    await site.post(f"/settings/team/{person.id}/enable")
    assert (await theirs.get("/account", allow_redirects=False)).status == 303
    assert (await another_browser(site).post("/sign-in", data=form, allow_redirects=False)).status == 303
    assert [event.kind for event in await told(site, "user", person.id)] == ["user.enabled", "user.disabled"]


async def test_the_last_admin_is_not_lost(site: Site) -> None:
    admin = await signed_in(site, Role.ADMIN)
    async with site.app[DATABASE].write() as conn:
        for user in await users.team(conn, site.invitation.organisation_id):
            if user.id != admin.id:
                await users.set_role(conn, user.id, organisation_id=user.organisation_id, role=Role.RECRUITER)
    demoted = await site.post(f"/settings/team/{admin.id}", {"role": "recruiter"})
    assert demoted.status == 422
    page = await demoted.text()
    assert "A team needs an admin" in page
    assert re.search(r'value="recruiter" required checked', page)
    itself = await site.post(f"/settings/team/{admin.id}/disable")
    assert itself.status == 422
    assert "cannot disable your own account" in await itself.text()
    second = await colleague(site, Role.ADMIN)
    assert (await site.post(f"/settings/team/{admin.id}", {"role": "recruiter"})).headers["Location"] == "/"
    assert (await site.get("/settings/team")).status == 403
    theirs = await browser_of(site, second)
    assert (await theirs.get("/settings/team")).status == 200


async def test_ones_own_name_and_mails_are_ones_own_to_say(site: Site) -> None:
    user = await signed_in(site, Role.REVIEWER)
    page = await (await site.get("/account")).text()
    assert 'value="yes" checked' in page
    assert (await site.post("/account", {"name": "Aino V"})).headers["Location"] == "/account?done=saved"
    changed = await found(site, user.email)
    assert changed is not None
    assert (changed.name, changed.mail_on_completion) == ("Aino V", False)
    bad = await site.post("/account", {"name": "Aino\nV", "mail_on_completion": "yes"})
    assert bad.status == 422
    assert 'value="yes" checked' in await bad.text()


async def test_a_new_password_needs_the_old_one_and_signs_out_every_other_device(site: Site) -> None:
    user = await signed_in(site, Role.RECRUITER)
    other = await browser_of(site, user)
    form = {"old": PASSWORD, "new": "quite-another-one"}
    changed = await site.post("/account/password", form)
    assert (changed.status, changed.headers["Location"]) == (303, "/account?done=password")
    assert (await site.get("/account")).status == 200
    assert (await other.get("/account", allow_redirects=False)).status == 303
    site.forget_cookies()
    assert (await site.sign_in(user.email)).status == 422
    assert (await site.sign_in(user.email, form["new"])).status == 303
    assert [event.kind for event in await told(site, "user", user.id)] == ["user.password"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"old": "wrong-one"}, "not your current password"),
        ({"old": ""}, "Type your current password"),
        ({"new": "short"}, "at least 10 characters"),
        ({"new": PASSWORD}, "Choose another"),
    ],
)
async def test_a_password_that_cannot_be_changed_says_why(site: Site, typed: dict[str, str], sentence: str) -> None:
    user = await signed_in(site, Role.RECRUITER)
    response = await site.post("/account/password", {"old": PASSWORD, "new": "quite-another-one"} | typed)
    page = await response.text()
    assert response.status == 422
    assert sentence in page
    assert PASSWORD not in page
    site.forget_cookies()
    assert (await site.sign_in(user.email)).status == 303


async def test_guessing_the_present_password_in_an_open_browser_is_slowed(site: Site) -> None:
    await signed_in(site, Role.RECRUITER)
    statuses = [
        (await site.post("/account/password", {"old": f"guess-{n}", "new": "quite-another-one"})).status
        for n in range(12)
    ]
    assert statuses[0] == 422
    assert statuses[-1] == 429
