"""What letters say, by language: one table each, with the same keys. Values are filled in by `str.format`.

A language without a table here is written to in English, and the letter says that it is English.
"""

from __future__ import annotations

from collections.abc import Mapping

FALLBACK = "en"

_ENGLISH: Mapping[str, str] = {
    "greeting": "Hello {name},",
    "greeting.nameless": "Hello,",
    # Subjects.
    "subject.invitation": "Your video interview: {job}, {company}",
    "subject.resent": "The link to your video interview again: {job}, {company}",
    "subject.reminder_start": "A reminder: your video interview, {job}, {company}",
    "subject.reminder_expiry": "Your video interview closes soon: {job}, {company}",
    "subject.extended": "You have more time: video interview, {job}, {company}",
    "subject.completed": "{candidate} completed the interview: {job}",
    "subject.team_invite": "Join the hiring team of {company}",
    "subject.trial": "A trial mail from Greenroom",
    # What the letter is about, in a sentence or two.
    "lead.invitation": "{company} invites you to a video interview for the job {job}. You answer a few questions on "
    "camera, in your browser and in your own time. Nobody watches while you record.",
    "lead.resent": "Here is the link to your video interview with {company} for the job {job} once more. It is the "
    "same link as before.",
    "lead.reminder_start": "Your video interview with {company} for the job {job} is still waiting for you. It is the "
    "same link as before.",
    "lead.reminder_expiry": "Your video interview with {company} for the job {job} closes soon. Please finish and "
    "send your answers before the deadline.",
    "lead.extended": "{company} has given you more time for your video interview for the job {job}. The new deadline "
    "is below; the link is the same as before.",
    "lead.completed": "{candidate} answered all the questions that are required, and sent the interview.",
    "lead.team_invite": "{inviter} invites you to the hiring team of {company}, to look at video interviews with them.",
    "lead.trial": "This letter shows that Greenroom can send mail. There is nothing to do.",
    "kept": "What you have recorded so far is kept.",
    # Facts.
    "fact.job": "Job",
    "fact.time": "Time needed",
    "fact.deadline": "Deadline",
    "fact.candidate": "Candidate",
    "fact.interview": "Interview",
    "fact.completed": "Completed",
    "fact.role": "Your role",
    "fact.open_until": "Open until",
    "fact.asked_by": "Asked for by",
    "fact.sent_from": "Sent from",
    "time.about": "about {minutes} min",
    "time.at_most": "at most {minutes} min",
    "questions.one": "1 question",
    "questions.many": "{count} questions",
    "no_deadline": "none",
    # Sections.
    "title.message": "From {company}",
    "title.expect": "What to expect",
    "expect.one_at_a_time": "One question at a time. Before each one you see how long you may think and speak, and "
    "how often you may record again.",
    "expect.pause": "You can stop between questions and come back with the same link, on another device too.",
    "expect.send": "Nothing reaches {company} until you send it. You can watch every answer first.",
    "title.need": "What you need",
    "need.camera": "A camera and a microphone",
    "need.camera_or_sound": "A camera and a microphone; sound alone is accepted if you have no camera",
    "need.browser": "A current Chrome, Edge, Firefox or Safari, on a phone or a computer; nothing to install",
    "need.place": "A quiet place, with light on your face and a steady connection",
    "title.ask": "Questions?",
    "ask": "Write to {contact} at {address}.",
    "ask.nobody": "Ask {contact}.",
    "accommodations": "If you need more time, or another way to take part, for example because of a disability, say "
    "so before you start. It is not held against you.",
    # The button, and the bare link under it.
    "button.candidate": "Open the interview",
    "button.completed": "View responses",
    "button.team_invite": "Join the team",
    "button.trial": "Open Greenroom",
    "bare_link": "Or copy this link into your browser:",
    "yours_alone": "This link is yours alone. Please do not pass it on.",
    # At the foot.
    "foot.candidate": "You get this letter because {company} invited {address} to an interview.",
    "foot.completed": "You get this letter because you are on the hiring team of {company}. Your account's page turns "
    "it off.",
    "foot.team_invite": "If you do not know {inviter}, ignore this letter: nothing happens.",
    "foot.trial": "It was asked for on the page of mail settings.",
    # The calendar file.
    "calendar.title": "Deadline: video interview, {job}, {company}",
    "calendar.text": "Send your answers before this time: {link}",
    # Roles.
    "role.admin": "Admin: everything, settings and the team included",
    "role.recruiter": "Recruiter: jobs, templates, candidates and interviews",
    "role.reviewer": "Reviewer: watches, scores and comments in the jobs you are assigned to",
}

WORDS: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH}


def spoken(language: str) -> str:
    """The language in which a letter for somebody of `language` (BCP 47) is written."""
    primary = language.partition("-")[0].casefold()
    return primary if primary in WORDS else FALLBACK
