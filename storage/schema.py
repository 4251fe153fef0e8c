"""The tables. Nothing here runs a query, and nothing here changes an existing database: migrations do.

Times are milliseconds since the epoch, UTC (`…_at_ms`). Every list and every lookup that a person waits for has its
index here. What a CHECK can say about one row is said; what needs several rows is in the subject's module.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.states import AnswerState, InvitationStatus, MailKind, MailState, Role, TakeState


class NoticeKind(StrEnum):
    PRIVACY = "privacy"
    COOKIE = "cookie"


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(32)
SHA256 = String(64)
# SQLite counts by itself only for a column declared exactly INTEGER PRIMARY KEY.
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def _one_of(column: str, states: type[StrEnum], name: str) -> CheckConstraint:
    values = ", ".join(f"'{state}'" for state in states)
    return CheckConstraint(f"{column} IN ({values})", name=name)


organisations = Table(
    "organisations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("contact_name", Text, nullable=False),
    Column("contact_email", Text, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

logos = Table(
    "logos",
    metadata,
    Column("organisation_id", ID, ForeignKey("organisations.id"), primary_key=True),
    Column("media_type", String(32), nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("language", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    UniqueConstraint("organisation_id", "kind", "language", "version"),
    _one_of("kind", NoticeKind, "kind"),
)

users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False, index=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("disabled_at_ms", BigInteger),
    Column("mail_on_completion", Boolean, nullable=False, server_default=text("true")),
    _one_of("role", Role, "role"),
)

team_invites = Table(
    "team_invites",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False, index=True),
    Column("email", String(320), nullable=False),
    Column("role", String(16), nullable=False),
    Column("job_ids", JSON, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("token_sha256", SHA256, nullable=False, unique=True),
    Column("invited_by", ID, ForeignKey("users.id"), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("accepted_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
    _one_of("role", Role, "role"),
)

logins = Table(
    "logins",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("token_sha256", SHA256, nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("seen_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("address", String(64), nullable=False),
    Column("user_agent", Text, nullable=False),
    Index(None, "user_id", "seen_at_ms"),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("key", String(400), nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Index(None, "key", "at_ms"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("closed_at_ms", BigInteger),
    Index(None, "organisation_id", "created_at_ms", "id"),
)

job_members = Table(
    "job_members",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    Column("user_id", ID, ForeignKey("users.id"), primary_key=True, index=True),
)

templates = Table(
    "templates",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("archived_at_ms", BigInteger),
    Index(None, "organisation_id", "created_at_ms", "id"),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("template_id", ID, ForeignKey("templates.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("language", String(16), nullable=False),
    Column("introduction", Text, nullable=False),
    Column("instructions", Text, nullable=False),
    Column("details_fields", JSON, nullable=False),
    Column("audio_only_allowed", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("published_at_ms", BigInteger),
    # A Difficulty, or nothing.
    Column("difficulty", String(16), nullable=False, server_default=""),
    Column("focus_area", Text, nullable=False, server_default=""),
    Column("duration_min", Integer),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("template_id", "number"),
    CheckConstraint("number >= 1", name="number"),
)

template_jobs = Table(
    "template_jobs",
    metadata,
    Column("template_id", ID, ForeignKey("templates.id"), primary_key=True),
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True, index=True),
)

questions = Table(
    "questions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("version_id", ID, ForeignKey("template_versions.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("think_s", Integer, nullable=False),
    Column("limit_s", Integer, nullable=False),
    Column("retakes", Integer),
    Column("required", Boolean, nullable=False),
    UniqueConstraint("version_id", "position"),
    CheckConstraint("position >= 1", name="position"),
    CheckConstraint("think_s >= 0", name="think"),
    CheckConstraint("limit_s >= 1", name="limit"),
    CheckConstraint("retakes IS NULL OR retakes >= 0", name="retakes"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("email", String(320), nullable=False),
    Column("email_folded", String(320), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    # `storage.search` of name and address.
    Column("search", Text, nullable=False, server_default=""),
    # Tables point at each other: PostgreSQL adds this key later.
    Column(
        "latest_invitation_id",
        ID,
        ForeignKey("invitations.id", name="fk_candidates_latest_invitation_id", use_alter=True),
    ),
    UniqueConstraint("organisation_id", "email_folded"),
    # Searching and filtering read this index alone, never the table.
    Index("ix_candidates_listing", "organisation_id", "created_at_ms", "id", "search", "latest_invitation_id"),
    Index(None, "latest_invitation_id"),
)

applications = Table(
    "applications",
    metadata,
    Column("id", ID, primary_key=True),
    Column("candidate_id", ID, ForeignKey("candidates.id"), nullable=False),
    Column("job_id", ID, ForeignKey("jobs.id"), nullable=False, index=True),
    # A Stage, and since when.
    Column("stage", String(32), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("stage_at_ms", BigInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("candidate_id", "job_id"),
    Index(None, "job_id", "stage", "stage_at_ms", "id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("application_id", ID, ForeignKey("applications.id"), nullable=False, index=True),
    Column("version_id", ID, ForeignKey("template_versions.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("token_sha256", SHA256, nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("sent_at_ms", BigInteger),
    Column("expires_at_ms", BigInteger),
    Column("started_at_ms", BigInteger),
    Column("completed_at_ms", BigInteger),
    Column("ended_at_ms", BigInteger),
    Column("cancel_reason", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Column("audio_only", Boolean, nullable=False),
    Column("invited_by", ID, ForeignKey("users.id")),
    Index(None, "organisation_id", "created_at_ms", "id"),
    Index(None, "status", "expires_at_ms"),
    _one_of("status", InvitationStatus, "status"),
    CheckConstraint("status IN ('pending', 'expired', 'cancelled') OR started_at_ms IS NOT NULL", name="started"),
    CheckConstraint("(status = 'completed') = (completed_at_ms IS NOT NULL)", name="completed"),
    CheckConstraint("(status IN ('completed', 'expired', 'cancelled')) = (ended_at_ms IS NOT NULL)", name="ended"),
)

consents = Table(
    "consents",
    metadata,
    Column("id", ID, primary_key=True),
    Column("invitation_id", ID, ForeignKey("invitations.id"), nullable=False),
    Column("notice_id", ID, ForeignKey("notices.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    UniqueConstraint("invitation_id", "notice_id"),
)

answers = Table(
    "answers",
    metadata,
    Column("id", ID, primary_key=True),
    Column("invitation_id", ID, ForeignKey("invitations.id"), nullable=False),
    Column("question_id", ID, ForeignKey("questions.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("before", String(16)),
    Column("revision", Integer, nullable=False),
    Column("attempts_used", Integer, nullable=False),
    Column("credits_candidate", Integer, nullable=False),
    Column("credits_kept", Integer, nullable=False),
    Column("think_ends_at_ms", BigInteger),
    Column("waited", Boolean, nullable=False),
    Column("wait_ends_at_ms", BigInteger),
    Column("take_id", ID),
    Column("next_take_id", ID),
    Column("notice", String(64)),
    Column("free_countdowns", Integer, nullable=False),
    Column("free_countdown_at_ms", BigInteger),
    Column("outage_at_ms", BigInteger),
    UniqueConstraint("invitation_id", "question_id"),
    # An answer can only point at its own takes. Tables and takes point at each other: PostgreSQL adds these later.
    ForeignKeyConstraint(["take_id", "id"], ["takes.id", "takes.answer_id"], name="fk_answers_take", use_alter=True),
    ForeignKeyConstraint(
        ["next_take_id", "id"], ["takes.id", "takes.answer_id"], name="fk_answers_next_take", use_alter=True
    ),
    _one_of("state", AnswerState, "state"),
    _one_of("before", AnswerState, "before"),
    CheckConstraint("attempts_used >= 0", name="attempts"),
    CheckConstraint("credits_candidate >= 0", name="credits"),
    CheckConstraint("credits_kept >= 0", name="credits_kept"),
    CheckConstraint("free_countdowns >= 0", name="free_countdowns"),
)

takes = Table(
    "takes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("answer_id", ID, ForeignKey("answers.id"), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("ended_at_ms", BigInteger),
    Column("gone_at_ms", BigInteger),
    Column("end_reason", String(32), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("file", String(128), nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("poster", String(128), nullable=False),
    Column("waveform", String(128), nullable=False),
    Column("recovered", Boolean, nullable=False),
    Column("sidecar", JSON, nullable=False),
    Column("looked_at_ms", BigInteger),
    UniqueConstraint("id", "answer_id"),
    Index(None, "state", "gone_at_ms", "id"),
    Index(None, "state", "looked_at_ms", "id"),
    _one_of("state", TakeState, "state"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("answer_id", ID, ForeignKey("answers.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "answer_id", "sequence"),
)

events = Table(
    "events",
    metadata,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject_kind", String(32), nullable=False),
    Column("subject_id", ID, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("candidate_id", ID, ForeignKey("candidates.id")),
    Index(None, "organisation_id", "subject_kind", "subject_id", "sequence"),
    Index(None, "organisation_id", "candidate_id", "sequence"),
)

sendings = Table(
    "sendings",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("job_id", ID, ForeignKey("jobs.id"), nullable=False),
    Column("version_id", ID, ForeignKey("template_versions.id"), nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
)

sending_rows = Table(
    "sending_rows",
    metadata,
    Column("sending_id", ID, ForeignKey("sendings.id"), primary_key=True),
    Column("candidate_id", ID, ForeignKey("candidates.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("invitation_id", ID, ForeignKey("invitations.id")),
)

mails = Table(
    "mails",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation_id", ID, ForeignKey("organisations.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("invitation_id", ID, ForeignKey("invitations.id")),
    Column("user_id", ID, ForeignKey("users.id")),
    Column("team_invite_id", ID, ForeignKey("team_invites.id")),
    Column("to_address", String(320), nullable=False),
    Column("once", String(128), unique=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("next_attempt_at_ms", BigInteger),
    Column("ended_at_ms", BigInteger),
    Column("reply", Text, nullable=False),
    Column("outbox_file", String(128), nullable=False),
    Column("opened_at_ms", BigInteger),
    Index(None, "invitation_id", "created_at_ms", "id"),
    Index(None, "organisation_id", "created_at_ms", "id"),
    Index(None, "state", "next_attempt_at_ms"),
    _one_of("kind", MailKind, "kind"),
    _one_of("state", MailState, "state"),
    CheckConstraint("(state = 'queued') = (ended_at_ms IS NULL)", name="ended"),
    CheckConstraint("attempts >= 0", name="attempts"),
)

scores = Table(
    "scores",
    metadata,
    Column("invitation_id", ID, ForeignKey("invitations.id"), primary_key=True),
    Column("user_id", ID, ForeignKey("users.id"), primary_key=True),
    # The question's position; 0 is the interview as a whole.
    Column("question", Integer, primary_key=True, autoincrement=False),
    Column("value", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    CheckConstraint("value BETWEEN 1 AND 5", name="value"),
    CheckConstraint("question >= 0", name="question"),
)

comments = Table(
    "comments",
    metadata,
    Column("id", ID, primary_key=True),
    Column("invitation_id", ID, ForeignKey("invitations.id"), nullable=False),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("question", Integer, nullable=False),
    Column("moment_ms", BigInteger),
    Column("text", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    # Until it is posted it is its author's draft, saved as typed.
    Column("posted_at_ms", BigInteger),
    Column("edited_at_ms", BigInteger),
    Column("deleted_at_ms", BigInteger),
    Index(None, "invitation_id", "created_at_ms", "id"),
    CheckConstraint("question >= 0", name="question"),
    CheckConstraint("moment_ms IS NULL OR moment_ms >= 0", name="moment"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("invitation_id", ID, ForeignKey("invitations.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("read_at_ms", BigInteger),
    UniqueConstraint("user_id", "kind", "invitation_id"),
    Index(None, "user_id", "sequence"),
    Index(
        "ix_alerts_unread",
        "user_id",
        sqlite_where=text("read_at_ms IS NULL"),
        postgresql_where=text("read_at_ms IS NULL"),
    ),
)
