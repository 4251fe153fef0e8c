"""What holds for every test: property tests draw the same examples in every run, without a clock of their own."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("greenroom", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None, print_blob=True)  # pytest --hypothesis-profile=explore
settings.load_profile("greenroom")
