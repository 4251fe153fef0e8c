"""What people wait for is found by an index, never by reading a whole table; and is written for PostgreSQL too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import (
    candidate_list,
    candidates,
    events,
    interviews,
    invitation_list,
    invitations,
    job_templates,
    jobs,
    logins,
    organisations,
    pipeline,
    sendings,
    templates,
    users,
)
from storage.candidate_list import CandidateState
from storage.database import Database
from storage.errors import NotFound
from storage.invitation_list import MailFact, Wanted
from storage.schema import NoticeKind
from storage.states import InvitationStatus, Stage, TakeState

Query = Callable[[AsyncConnection], Awaitable[object]]

QUERIES: dict[str, Query] = {
    "an invitation by its token": lambda c: invitations.by_token_sha256(c, "0" * 64),
    "an invitation by its id": lambda c: invitations.by_id(c, "i", organisation_id="o"),
    "the list of interviews": lambda c: invitations.listing(c, "o"),
    "a later page of the list": lambda c: invitations.listing(c, "o", before=(5, "i")),
    "the list by status, mail and text": lambda c: invitations.listing(
        c, "o", now_ms=1, wanted=Wanted(status=InvitationStatus.EXPIRED, mail=MailFact.SENT, text="a")
    ),
    "the list of one candidate": lambda c: invitations.listing(c, "o", now_ms=1, wanted=Wanted(candidate_id="c")),
    "the list of one job for a reviewer": lambda c: invitations.listing(
        c, "o", now_ms=1, wanted=Wanted(job_id="j", member_id="u")
    ),
    "how often it was resent": lambda c: invitation_list.resent(c, "i"),
    "whether a mail was posted": lambda c: invitation_list.was_posted(c, "once"),
    "a sending": lambda c: sendings.find(c, "s", organisation_id="o"),
    "what came of a sending": lambda c: sendings.rows_of(c, "s"),
    "open invitations of candidates": lambda c: sendings.open_invitations(c, "o", ["c", "d"], 1),
    "overdue invitations": lambda c: invitations.overdue(c, 10**9),
    "the consents of an invitation": lambda c: invitations.consents(c, "i"),
    "what reviewers see": lambda c: interviews.submitted(c, "i"),
    "a take for a reviewer": lambda c: interviews.submitted_take(c, "i", "t"),
    "a take for a candidate": lambda c: interviews.own_take(c, "i", "t"),
    "takes to be settled": lambda c: interviews.takes_in(c, [TakeState.RECORDING]),
    "takes whose files may go": lambda c: interviews.unwanted_takes(c, before_ms=1),
    "the ledger of an answer": lambda c: interviews.ledger(c, "a"),
    "a login by its token": lambda c: logins.find(c, "0" * 64, 1),
    "the logins of a user": lambda c: logins.of_user(c, "u", 1),
    "failures of a key": lambda c: logins.failures_since(c, "account:a", 1),
    "a user by address": lambda c: users.by_email(c, "a@example.org"),
    "a version with its questions": lambda c: templates.version(c, "v"),
    "the current notice": lambda c: organisations.current_notice(c, "o", NoticeKind.PRIVACY, "en"),
    "candidates": lambda c: candidate_list.page(c, "o", now_ms=1),
    "candidates searched and filtered": lambda c: candidate_list.page(
        c, "o", now_ms=1, q="a b", state=CandidateState.ACTIVE, before=(5, "c")
    ),
    "a candidate": lambda c: candidate_list.one(c, "o", "c", now_ms=1),
    "the applications of a candidate": lambda c: candidates.applications_of(c, "o", "c"),
    "the list of jobs": lambda c: jobs.listing(c, "o", before=(5, "j")),
    "jobs to choose from": lambda c: jobs.open_ones(c, "o"),
    "what a job can offer": lambda c: job_templates.of_job(c, "o", "j"),
    "the board of a job": lambda c: pipeline.board(c, "o", "j", now_ms=1),
    "a stage of a job": lambda c: pipeline.in_stage(c, "o", "j", Stage.NEW, now_ms=1, before=(5, "a")),
    "events of a subject": lambda c: events.for_subject(c, "o", "invitation", "i"),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_no_query_reads_or_sorts_a_whole_table(database: Database, name: str) -> None:
    asked: list[tuple[str, object]] = []
    async with database.read() as conn:
        sync = conn.sync_connection
        assert sync is not None
        event.listen(sync, "before_cursor_execute", lambda *seen: asked.append((seen[2], seen[3])))
        with suppress(NotFound):
            await QUERIES[name](conn)
        statements = list(asked)
        assert statements
        for statement, parameters in statements:
            plan = (await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all()
            steps = [str(row[3]) for row in plan]
            # "anon_…" and "(subquery-…" are rows that the same statement found by an index and cut to its limit.
            whole = [step for step in steps if step.startswith("SCAN") and "INDEX" not in step]
            assert [step for step in whole if not step.startswith(("SCAN anon_", "SCAN (subquery-"))] == [], steps


@pytest.mark.parametrize("name", QUERIES)
async def test_every_query_can_be_written_for_postgresql(database: Database, name: str) -> None:
    written: list[str] = []
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    async with database.read() as conn:
        sync = conn.sync_connection
        assert sync is not None
        event.listen(sync, "before_execute", lambda *seen: written.append(str(seen[1].compile(dialect=dialect))))
        with suppress(NotFound):
            await QUERIES[name](conn)
    assert written
    assert all(" LIMIT " in each or " = " in each for each in written)
