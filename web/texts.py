"""The first texts of a new organisation, until it writes its own: privacy and cookies, in English."""

from __future__ import annotations

COOKIES = (
    "This site sets one essential cookie. It remembers on this device that you accepted this notice, "
    "for this interview only. There is no tracking and no advertising, and nothing is shared with other sites."
)


def privacy(organisation: str, contact: str) -> str:
    """Paragraphs parted by empty lines. `contact` is whom to ask, with an address if there is one."""
    return "\n\n".join(
        (
            f"{organisation} asks you to answer questions on camera, to decide about your application. "
            f"What is kept: the details you type, the recordings you send, and when you did what in this interview.",
            f"The people at {organisation} who decide about this job watch your answers, and nobody else. "
            "Each time one of them opens a recording, that is logged. Answers that you do not send are never "
            "shown to them, and are deleted.",
            "The recordings stay on this server. Nobody's face, voice or mood is analysed: a person decides.",
            f"You may ask at any time for a copy of your data, or to have it deleted: {contact}.",
        )
    )
