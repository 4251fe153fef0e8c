"""How names and addresses are compared when somebody searches for them."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """`text` without accents and case (Unicode NFKD, no combining marks, case folded): "Åsa" is found by "asa"."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()
