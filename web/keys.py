"""The names under which the application holds its parts (aiohttp's AppKey), and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from signaling.hub import Hub
from storage.database import Database
from storage.recordings import Recordings
from web.data_folder import DataFolder
from web.mail.post import Post
from web.passwords import Passwords
from web.recruiter.views import RecentViews
from web.settings import Settings
from web.static import StaticFiles

NowMs = Callable[[], int]

SETTINGS = web.AppKey("settings", Settings)
FOLDER = web.AppKey("folder", DataFolder)
DATABASE = web.AppKey("database", Database)
RECORDINGS = web.AppKey("recordings", Recordings)
HUB = web.AppKey("hub", Hub)
PASSWORDS = web.AppKey("passwords", Passwords)
STATIC = web.AppKey("static", StaticFiles)
VIEWS = web.AppKey("views", RecentViews)
POST = web.AppKey("post", Post)
NOW_MS = web.AppKey[NowMs]("now_ms", NowMs)  # type: ignore[arg-type]
