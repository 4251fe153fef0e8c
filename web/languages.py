"""The languages that candidates' pages come in, each by its own name (C37)."""

from __future__ import annotations

from types import MappingProxyType

FALLBACK = "en"

LANGUAGES = MappingProxyType({"en": "English", "fi": "Suomi", "de": "Deutsch", "es": "Español"})
