"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(length=32)
MS = sa.BigInteger()
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _people()
    _templates()
    _invitations()
    _answers()


def _people() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("contact_name", sa.Text(), nullable=False),
        sa.Column("contact_email", sa.Text(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
    )
    op.create_table(
        "notices",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.CheckConstraint("kind IN ('privacy', 'cookie')", name=op.f("ck_notices_kind")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_notices_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint(
            "organisation_id",
            "kind",
            "language",
            "version",
            name=op.f("uq_notices_organisation_id_kind_language_version"),
        ),
    )
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.CheckConstraint("role IN ('admin', 'recruiter', 'reviewer')", name=op.f("ck_users_role")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_users_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index(op.f("ix_users_organisation_id"), "users", ["organisation_id"])
    op.create_table(
        "logins",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.Column("expires_at_ms", MS, nullable=False),
        sa.Column("seen_at_ms", MS, nullable=False),
        sa.Column("revoked_at_ms", MS, nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_logins_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_logins_token_sha256")),
    )
    op.create_index(op.f("ix_logins_user_id_seen_at_ms"), "logins", ["user_id", "seen_at_ms"])
    op.create_table(
        "sign_in_failures",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("at_ms", MS, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_at_ms"), "sign_in_failures", ["at_ms"])
    op.create_index(op.f("ix_sign_in_failures_key_at_ms"), "sign_in_failures", ["key", "at_ms"])


def _templates() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_jobs_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        op.f("ix_jobs_organisation_id_created_at_ms_id"), "jobs", ["organisation_id", "created_at_ms", "id"]
    )
    op.create_table(
        "templates",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_templates_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
    )
    op.create_index(
        op.f("ix_templates_organisation_id_created_at_ms_id"), "templates", ["organisation_id", "created_at_ms", "id"]
    )
    op.create_table(
        "template_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("template_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("introduction", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("details_fields", sa.JSON(), nullable=False),
        sa.Column("audio_only_allowed", sa.Boolean(), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.Column("published_at_ms", MS, nullable=True),
        sa.CheckConstraint("number >= 1", name=op.f("ck_template_versions_number")),
        sa.ForeignKeyConstraint(["template_id"], ["templates.id"], name=op.f("fk_template_versions_template_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_versions")),
        sa.UniqueConstraint("template_id", "number", name=op.f("uq_template_versions_template_id_number")),
    )
    op.create_table(
        "template_jobs",
        sa.Column("template_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_template_jobs_job_id")),
        sa.ForeignKeyConstraint(["template_id"], ["templates.id"], name=op.f("fk_template_jobs_template_id")),
        sa.PrimaryKeyConstraint("template_id", "job_id", name=op.f("pk_template_jobs")),
    )
    op.create_index(op.f("ix_template_jobs_job_id"), "template_jobs", ["job_id"])
    op.create_table(
        "questions",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("think_s", sa.Integer(), nullable=False),
        sa.Column("limit_s", sa.Integer(), nullable=False),
        sa.Column("retakes", sa.Integer(), nullable=True),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.CheckConstraint("limit_s >= 1", name=op.f("ck_questions_limit")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_questions_position")),
        sa.CheckConstraint("retakes IS NULL OR retakes >= 0", name=op.f("ck_questions_retakes")),
        sa.CheckConstraint("think_s >= 0", name=op.f("ck_questions_think")),
        sa.ForeignKeyConstraint(["version_id"], ["template_versions.id"], name=op.f("fk_questions_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
        sa.UniqueConstraint("version_id", "position", name=op.f("uq_questions_version_id_position")),
    )


def _invitations() -> None:
    op.create_table(
        "candidates",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_folded", sa.String(length=320), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_candidates_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidates")),
        sa.UniqueConstraint("organisation_id", "email_folded", name=op.f("uq_candidates_organisation_id_email_folded")),
    )
    op.create_table(
        "applications",
        sa.Column("id", ID, nullable=False),
        sa.Column("candidate_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["candidates.id"], name=op.f("fk_applications_candidate_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_applications_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
        sa.UniqueConstraint("candidate_id", "job_id", name=op.f("uq_applications_candidate_id_job_id")),
    )
    op.create_index(op.f("ix_applications_job_id"), "applications", ["job_id"])
    op.create_table(
        "invitations",
        sa.Column("id", ID, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.Column("sent_at_ms", MS, nullable=True),
        sa.Column("expires_at_ms", MS, nullable=True),
        sa.Column("started_at_ms", MS, nullable=True),
        sa.Column("completed_at_ms", MS, nullable=True),
        sa.Column("ended_at_ms", MS, nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("audio_only", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "(status = 'completed') = (completed_at_ms IS NOT NULL)", name=op.f("ck_invitations_completed")
        ),
        sa.CheckConstraint(
            "(status IN ('completed', 'expired', 'cancelled')) = (ended_at_ms IS NOT NULL)",
            name=op.f("ck_invitations_ended"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'expired', 'cancelled') OR started_at_ms IS NOT NULL",
            name=op.f("ck_invitations_started"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'completed', 'expired', 'cancelled')",
            name=op.f("ck_invitations_status"),
        ),
        sa.ForeignKeyConstraint(["application_id"], ["applications.id"], name=op.f("fk_invitations_application_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_invitations_organisation_id")),
        sa.ForeignKeyConstraint(["version_id"], ["template_versions.id"], name=op.f("fk_invitations_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_invitations_token_sha256")),
    )
    op.create_index(op.f("ix_invitations_application_id"), "invitations", ["application_id"])
    op.create_index(
        op.f("ix_invitations_organisation_id_created_at_ms_id"),
        "invitations",
        ["organisation_id", "created_at_ms", "id"],
    )
    op.create_index(op.f("ix_invitations_status_expires_at_ms"), "invitations", ["status", "expires_at_ms"])
    op.create_table(
        "consents",
        sa.Column("id", ID, nullable=False),
        sa.Column("invitation_id", ID, nullable=False),
        sa.Column("notice_id", ID, nullable=False),
        sa.Column("at_ms", MS, nullable=False),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_consents_invitation_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_consents_notice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("invitation_id", "notice_id", name=op.f("uq_consents_invitation_id_notice_id")),
    )


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", ID, nullable=False),
        sa.Column("invitation_id", ID, nullable=False),
        sa.Column("question_id", ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("before", sa.String(length=16), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempts_used", sa.Integer(), nullable=False),
        sa.Column("credits_candidate", sa.Integer(), nullable=False),
        sa.Column("credits_kept", sa.Integer(), nullable=False),
        sa.Column("think_ends_at_ms", MS, nullable=True),
        sa.Column("waited", sa.Boolean(), nullable=False),
        sa.Column("wait_ends_at_ms", MS, nullable=True),
        sa.Column("take_id", ID, nullable=True),
        sa.Column("next_take_id", ID, nullable=True),
        sa.Column("notice", sa.String(length=64), nullable=True),
        sa.Column("free_countdowns", sa.Integer(), nullable=False),
        sa.Column("free_countdown_at_ms", MS, nullable=True),
        sa.Column("outage_at_ms", MS, nullable=True),
        sa.CheckConstraint(
            "before IN ('hidden', 'thinking', 'seen', 'countdown', 'recording', 'saving', 'draft', 'failed', "
            "'missed', 'submitted')",
            name=op.f("ck_answers_before"),
        ),
        sa.CheckConstraint(
            "state IN ('hidden', 'thinking', 'seen', 'countdown', 'recording', 'saving', 'draft', 'failed', "
            "'missed', 'submitted')",
            name=op.f("ck_answers_state"),
        ),
        sa.CheckConstraint("attempts_used >= 0", name=op.f("ck_answers_attempts")),
        sa.CheckConstraint("credits_candidate >= 0", name=op.f("ck_answers_credits")),
        sa.CheckConstraint("credits_kept >= 0", name=op.f("ck_answers_credits_kept")),
        sa.CheckConstraint("free_countdowns >= 0", name=op.f("ck_answers_free_countdowns")),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name=op.f("fk_answers_invitation_id")),
        sa.ForeignKeyConstraint(
            ["next_take_id", "id"], ["takes.id", "takes.answer_id"], name="fk_answers_next_take", use_alter=True
        ),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name=op.f("fk_answers_question_id")),
        sa.ForeignKeyConstraint(
            ["take_id", "id"], ["takes.id", "takes.answer_id"], name="fk_answers_take", use_alter=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        sa.UniqueConstraint("invitation_id", "question_id", name=op.f("uq_answers_invitation_id_question_id")),
    )
    op.create_table(
        "takes",
        sa.Column("id", ID, nullable=False),
        sa.Column("answer_id", ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at_ms", MS, nullable=False),
        sa.Column("started_at_ms", MS, nullable=True),
        sa.Column("ended_at_ms", MS, nullable=True),
        sa.Column("gone_at_ms", MS, nullable=True),
        sa.Column("end_reason", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("file", sa.String(length=128), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", MS, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("poster", sa.String(length=128), nullable=False),
        sa.Column("waveform", sa.String(length=128), nullable=False),
        sa.Column("recovered", sa.Boolean(), nullable=False),
        sa.Column("sidecar", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state IN ('countdown', 'recording', 'saving', 'kept', 'failed', 'abandoned', 'discarded')",
            name=op.f("ck_takes_state"),
        ),
        sa.ForeignKeyConstraint(["answer_id"], ["answers.id"], name=op.f("fk_takes_answer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takes")),
        sa.UniqueConstraint("id", "answer_id", name=op.f("uq_takes_id_answer_id")),
    )
    op.create_index(op.f("ix_takes_answer_id"), "takes", ["answer_id"])
    op.create_index(op.f("ix_takes_state_gone_at_ms_id"), "takes", ["state", "gone_at_ms", "id"])

    op.create_table(
        "ledger",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("answer_id", ID, nullable=False),
        sa.Column("at_ms", MS, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answers.id"], name=op.f("fk_ledger_answer_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledger")),
    )
    op.create_index(op.f("ix_ledger_answer_id_sequence"), "ledger", ["answer_id", "sequence"])
    op.create_table(
        "events",
        sa.Column("sequence", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("organisation_id", ID, nullable=False),
        sa.Column("at_ms", MS, nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject_kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_events_organisation_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
    )
    op.create_index(
        op.f("ix_events_organisation_id_subject_kind_subject_id_sequence"),
        "events",
        ["organisation_id", "subject_kind", "subject_id", "sequence"],
    )
    if op.get_bind().dialect.supports_alter:
        # Answers and takes point at each other. Elsewhere than on SQLite, the first cannot point at the second before
        # that exists.
        for name, column in (("fk_answers_take", "take_id"), ("fk_answers_next_take", "next_take_id")):
            op.create_foreign_key(name, "answers", "takes", [column, "id"], ["id", "answer_id"])
