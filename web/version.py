"""Which release of Greenroom this is. Workers of another one are not adopted."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The installed distribution's version; "0+source" when the code runs without being installed."""
    try:
        return version("greenroom")
    except PackageNotFoundError:
        return "0+source"
