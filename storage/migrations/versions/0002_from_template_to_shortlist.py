"""Templates with drafts, the pipeline, sendings, mail, scores, comments, alerts, team invites.

Columns are added by statements that SQLite and PostgreSQL both take: rebuilding a table would lose its checks.
"""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(length=32)
MS = sa.BigInteger()
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_NEW_COLUMNS = (
    "users ADD COLUMN disabled_at_ms BIGINT",
    "users ADD COLUMN mail_on_completion BOOLEAN DEFAULT true NOT NULL",
    "jobs ADD COLUMN closed_at_ms BIGINT",
    "templates ADD COLUMN archived_at_ms BIGINT",
    "template_versions ADD COLUMN difficulty VARCHAR(16) DEFAULT '' NOT NULL",
    "template_versions ADD COLUMN focus_area TEXT DEFAULT '' NOT NULL",
    "template_versions ADD COLUMN duration_min INTEGER",
    "template_versions ADD COLUMN revision INTEGER DEFAULT 0 NOT NULL",
    "candidates ADD COLUMN search TEXT DEFAULT '' NOT NULL",
    "candidates ADD COLUMN latest_invitation_id VARCHAR(32) "
    "CONSTRAINT fk_candidates_latest_invitation_id REFERENCES invitations (id)",
    "applications ADD COLUMN stage_at_ms BIGINT DEFAULT 0 NOT NULL",
    "invitations ADD COLUMN invited_by VARCHAR(32) CONSTRAINT fk_invitations_invited_by REFERENCES users (id)",
    "events ADD COLUMN candidate_id VARCHAR(32) CONSTRAINT fk_events_candidate_id REFERENCES candidates (id)",
)


def upgrade() -> None:
    for column in _NEW_COLUMNS:
        op.execute(f"ALTER TABLE {column}")
    _fill()
    op.create_index(
        "ix_candidates_listing",
        "candidates",
        ["organisation_id", "created_at_ms", "id", "search", "latest_invitation_id"],
    )
    op.create_index(op.f("ix_candidates_latest_invitation_id"), "candidates", ["latest_invitation_id"])
    op.create_index(
        op.f("ix_events_organisation_id_candidate_id_sequence"),
        "events",
        ["organisation_id", "candidate_id", "sequence"],
    )
    op.create_index(
        op.f("ix_applications_job_id_stage_stage_at_ms_id"), "applications", ["job_id", "stage", "stage_at_ms", "id"]
    )
    _organisation_and_team()
    _sendings()
    _mails()
    _reviews()


def _fill() -> None:
    op.execute("UPDATE applications SET stage_at_ms = created_at_ms")
    op.execute(
        "UPDATE applications SET stage = 'review' WHERE stage = 'invited' AND EXISTS "
        "(SELECT 1 FROM invitations i WHERE i.application_id = applications.id AND i.status = 'completed')"
    )
    op.execute("UPDATE applications SET stage = 'interview' WHERE stage = 'invited'")
    op.execute(
        "UPDATE candidates SET latest_invitation_id = (SELECT i.id FROM invitations i "
        "JOIN applications a ON i.application_id = a.id WHERE a.candidate_id = candidates.id "
        "ORDER BY i.created_at_ms DESC, i.id DESC LIMIT 1)"
    )
    op.execute(
        "UPDATE events SET candidate_id = (SELECT a.candidate_id FROM invitations i "
        "JOIN applications a ON i.application_id = a.id WHERE i.id = events.subject_id) "
        "WHERE subject_kind = 'invitation'"
    )
    candidates = sa.table("candidates", sa.column("id"), sa.column("name"), sa.column("email"), sa.column("search"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(candidates.c.id, candidates.c.name, candidates.c.email)).all():
        plain = unicodedata.normalize("NFKD", f"{row.name} {row.email}")
        folded = "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()
        connection.execute(candidates.update().where(candidates.c.id == row.id).values(search=folded))


def _organisation_and_team() -> None:
    op.create_table(
        "logos",
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_logos_organisation_id")),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_logos")),
    )
    op.create_table(
        "team_invites",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("job_ids", sa.JSON(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("invited_by", ID, nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.Column("expires_at_ms", MS, nullable=False),
        sa.Column("accepted_at_ms", MS, nullable=True),
        sa.Column("revoked_at_ms", MS, nullable=True),
        sa.CheckConstraint("role IN ('admin', 'recruiter', 'reviewer')", name=op.f("ck_team_invites_role")),
        sa.ForeignKeyConstraint(["invited_by"], ["users.id"], name=op.f("fk_team_invites_invited_by")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_team_invites_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_invites")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_team_invites_token_sha256")),
    )
    op.create_index(op.f("ix_team_invites_organisation_id"), "team_invites", ["organisation_id"])
    op.create_table(
        "job_members",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_members_job_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_job_members_user_id")),
        sa.PrimaryKeyConstraint("job_id", "user_id", name=op.f("pk_job_members")),
    )
    op.create_index(op.f("ix_job_members_user_id"), "job_members", ["user_id"])


def _sendings() -> None:
    op.create_table(
        "sendings",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("expires_at_ms", MS, nullable=True),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_sendings_job_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_sendings_organisation_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sendings_user_id")),
        sa.ForeignKeyConstraint(["version_id"], ["template_versions.id"], name=op.f("fk_sendings_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sendings")),
    )
    op.create_table(
        "sending_rows",
        sa.Column("sending_id", ID, nullable=False),
        sa.Column("candidate_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("invitation_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name=op.f("fk_sending_rows_candidate_id")),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_sending_rows_invitation_id")),
        sa.ForeignKeyConstraint(["sending_id"], ["sendings.id"], name=op.f("fk_sending_rows_sending_id")),
        sa.PrimaryKeyConstraint("sending_id", "candidate_id", name=op.f("pk_sending_rows")),
    )


def _mails() -> None:
    op.create_table(
        "mails",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("invitation_id", ID, nullable=True),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("team_invite_id", ID, nullable=True),
        sa.Column("to_address", sa.String(length=320), nullable=False),
        sa.Column("once", sa.String(length=128), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.Column("next_attempt_at_ms", MS, nullable=True),
        sa.Column("ended_at_ms", MS, nullable=True),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("outbox_file", sa.String(length=128), nullable=False),
        sa.Column("opened_at_ms", MS, nullable=True),
        sa.CheckConstraint(
            "kind IN ('invitation', 'resent', 'reminder_start', 'reminder_expiry', 'extended', "
            "'completed', 'team_invite', 'trial')",
            name=op.f("ck_mails_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'refused', 'failed', 'outbox', 'stopped')", name=op.f("ck_mails_state")
        ),
        sa.CheckConstraint("(state = 'queued') = (ended_at_ms IS NULL)", name=op.f("ck_mails_ended")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_mails_attempts")),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_mails_invitation_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_mails_organisation_id")),
        sa.ForeignKeyConstraint(["team_invite_id"], ["team_invites.id"], name=op.f("fk_mails_team_invite_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mails_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.UniqueConstraint("once", name=op.f("uq_mails_once")),
    )
    op.create_index(op.f("ix_mails_invitation_id_created_at_ms_id"), "mails", ["invitation_id", "created_at_ms", "id"])
    op.create_index(
        op.f("ix_mails_organisation_id_created_at_ms_id"), "mails", ["organisation_id", "created_at_ms", "id"]
    )
    op.create_index(op.f("ix_mails_state_next_attempt_at_ms"), "mails", ["state", "next_attempt_at_ms"])


def _reviews() -> None:
    op.create_table(
        "scores",
        sa.Column("invitation_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("question", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("at_ms", MS, nullable=False),
        sa.CheckConstraint("value BETWEEN 1 AND 5", name=op.f("ck_scores_value")),
        sa.CheckConstraint("question >= 0", name=op.f("ck_scores_question")),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_scores_invitation_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_scores_user_id")),
        sa.PrimaryKeyConstraint("invitation_id", "user_id", "question", name=op.f("pk_scores")),
    )
    op.create_table(
        "comments",
        sa.Column("id", ID, nullable=False),
        sa.Column("invitation_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("question", sa.Integer(), nullable=False),
        sa.Column("moment_ms", MS, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.Column("posted_at_ms", MS, nullable=True),
        sa.Column("edited_at_ms", MS, nullable=True),
        sa.Column("deleted_at_ms", MS, nullable=True),
        sa.CheckConstraint("question >= 0", name=op.f("ck_comments_question")),
        sa.CheckConstraint("moment_ms IS NULL OR moment_ms >= 0", name=op.f("ck_comments_moment")),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_comments_invitation_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_comments_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index(
        op.f("ix_comments_invitation_id_created_at_ms_id"), "comments", ["invitation_id", "created_at_ms", "id"]
    )
    op.create_table(
        "alerts",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("invitation_id", ID, nullable=False),
        sa.Column("at_ms", MS, nullable=False),
        sa.Column("read_at_ms", MS, nullable=True),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_alerts_invitation_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_alerts_user_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_alerts")),
        sa.UniqueConstraint("user_id", "kind", "invitation_id", name=op.f("uq_alerts_user_id_kind_invitation_id")),
    )
    op.create_index(op.f("ix_alerts_user_id_sequence"), "alerts", ["user_id", "sequence"])
    unread = sa.text("read_at_ms IS NULL")
    op.create_index("ix_alerts_unread", "alerts", ["user_id"], sqlite_where=unread, postgresql_where=unread)
