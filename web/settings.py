"""What an operator may set: one TOML file, checked whole before anything starts.

No environment variable is read, and nothing here is global: settings are loaded
once by the command line and handed on. `config.example.toml` shows every field
with its default; a test holds the two together.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from web.mail import addresses

DEFAULT_FILE = Path("config.toml")
SECRETS = frozenset({"password", "credential", "secret", "mail"})
"""Not repeated in a mistake; `mail` itself neither, should a URL stand where its table belongs."""
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 (compared with, not bound to)

ICE_URL = re.compile(r"(stuns?:[^\s?/@]+)|(turns?:[^\s?/@]+(\?transport=(udp|tcp))?)")
"""RFC 7064 §3.1 and RFC 7065 §3.1."""

Port = Annotated[int, Field(ge=1, le=65535)]


class IceServer(BaseModel):
    """One STUN or TURN server that the candidate's browser may use (W3C RTCIceServer).

    A TURN server wants a name and a credential: its own (`username`, `credential`), or ones made from the `secret` that
    it shares with us, good for `lifetime_s`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    urls: list[str] = Field(min_length=1, max_length=8)
    username: str = ""
    credential: str = Field(default="", repr=False)
    secret: str = Field(default="", repr=False)
    lifetime_s: int = Field(default=3600, ge=60, le=86_400)

    @field_validator("urls")
    @classmethod
    def _known_schemes(cls, urls: list[str]) -> list[str]:
        for url in urls:
            if not ICE_URL.fullmatch(url):
                told = ("…@" if "@" in url else "") + url.rpartition("@")[2].partition("?")[0]  # never a credential
                raise ValueError(
                    f"{told!r} is neither stun:host:port nor turn:host:port?transport=tcp (or stuns:, turns:)"
                )
        return urls

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        relays = [url for url in self.urls if url.startswith("turn")]
        if self.secret and (self.username or self.credential):
            raise ValueError("has a secret, from which name and credential are made: leave those out")
        if bool(self.username) != bool(self.credential):
            raise ValueError("username and credential belong together: set both, or neither")
        if relays and not self.secret and not self.credential:
            raise ValueError(f"{relays[0]} wants a secret, or a username and a credential")
        return self


class Limits(BaseModel):
    """How much one form may hold, the team's and others', and how many candidates' pages may be open at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form_bytes: int = Field(default=65_536, ge=4_096, le=16_777_216)
    team_form_bytes: int = Field(default=524_288, ge=4_096, le=16_777_216)
    sessions: int = Field(default=2_000, ge=1, le=100_000)


class SignIn(BaseModel):
    """How long a login lasts, and how failed attempts are slowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    login_days: int = Field(default=14, ge=1, le=365)
    free_attempts_account: int = Field(default=3, ge=1, le=100)
    free_attempts_address: int = Field(default=20, ge=1, le=1000)
    longest_pause_s: int = Field(default=300, ge=1, le=3600)
    free_attempts_everywhere: int = Field(default=100, ge=1, le=900)
    longest_pause_everywhere_s: int = Field(default=4, ge=1, le=60)


class Mail(BaseModel):
    """The SMTP server that letters leave through. Without a host they are written to files instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = ""
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = Field(default="", repr=False)
    from_address: str = ""
    timeout_s: int = Field(default=30, ge=1, le=300)

    @field_validator("from_address")
    @classmethod
    def _an_address(cls, address: str) -> str:
        if address and addresses.parse(address).needs_utf8:
            raise ValueError("has letters outside ASCII before the @, which not every mail server takes")
        return address.strip()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.host and not self.from_address:
            raise ValueError("from_address must say whom letters come from, once there is a host")
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password belong together: set both, or neither")
        if self.username and self.security == "none":
            raise ValueError('security = "none" would send the password in clear: use "starttls" or "tls"')
        return self


class Settings(BaseSettings):
    """Everything that differs from one installation to the next."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    base_url: str = ""
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8080, ge=0, le=65535)
    trusted_proxies: list[str] = []
    data_dir: Path = Path("data")

    udp_port: Port = 3478
    workers: int = Field(default=1, ge=0, le=64)
    interfaces: list[str] = []
    advertised_ips: list[str] = []
    ice_servers: list[IceServer] = Field(default=[], max_length=8)

    video_codecs: list[Literal["h264", "vp8"]] = Field(default=["h264", "vp8"], min_length=1)
    max_bitrate_bps: int = Field(default=2_500_000, ge=150_000, le=20_000_000)
    max_live: int = Field(default=200, ge=1, le=10_000)
    min_free_disk_bytes: int = Field(default=1_000_000_000, ge=0)

    limits: Limits = Limits()
    sign_in: SignIn = SignIn()
    mail: Mail = Mail()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: the environment has no say."""
        return (init_settings,)

    @field_validator("base_url")
    @classmethod
    def _an_origin(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must look like https://interviews.example.com")
        if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
            raise ValueError("must be scheme, host and port only, without a path")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("listen_host")
    @classmethod
    def _not_empty(cls, host: str) -> str:
        if not host.strip():
            raise ValueError("must name an address; 0.0.0.0 listens on all of them")
        return host.strip()

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, values: list[str]) -> list[str]:
        for value in values:
            ip_network(value, strict=False)
        return values

    @field_validator("video_codecs", "advertised_ips", "interfaces")
    @classmethod
    def _no_doubles(cls, values: list[str]) -> list[str]:
        if len(set(values)) != len(values):
            raise ValueError("names one entry twice")
        return values

    @field_validator("advertised_ips")
    @classmethod
    def _hosts(cls, values: list[str], info: ValidationInfo) -> list[str]:
        for value in values:
            if not value or any(sign.isspace() or sign in "/[]" for sign in value):
                raise ValueError(f"{value!r} is neither an address nor a host name")
        if values and info.data.get("interfaces"):
            raise ValueError("takes the place of interfaces: set one of the two")
        return values

    @field_validator("workers")
    @classmethod
    def _ports_for_all(cls, workers: int, info: ValidationInfo) -> int:
        first = info.data.get("udp_port", 1)
        if first + max(workers, 1) - 1 > 65535:
            raise ValueError(f"each worker has its own port from udp_port on, and {first} leaves too few")
        return workers

    @property
    def origin(self) -> str:
        """Scheme, host and port that people type, without a slash at the end."""
        if self.base_url:
            return self.base_url
        host = "localhost" if self.listen_host in EVERY_ADDRESS else self.listen_host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.listen_port}"

    @property
    def https(self) -> bool:
        """Whether people reach the server over TLS, so that cookies may say Secure."""
        return self.origin.startswith("https://")

    @property
    def proxy_networks(self) -> list[IPv4Network | IPv6Network]:
        """Whose X-Forwarded-For is believed."""
        return [ip_network(value, strict=False) for value in self.trusted_proxies]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in the file; `key` is dotted, empty for the file as a whole."""

    key: str
    reason: str


class SettingsWrong(Exception):
    """The file cannot be used; `mistakes` holds all of them, not only the first."""

    def __init__(self, path: Path | None, mistakes: list[Mistake]) -> None:
        self.path = path
        self.mistakes = mistakes
        super().__init__("; ".join(f"{mistake.key}: {mistake.reason}" for mistake in mistakes))


def load(path: Path | None, overrides: dict[str, Any] | None = None) -> Settings:
    """The settings of `path`; without one those of ./config.toml, or the defaults if there is none.

    `overrides` are top-level fields from the command line, and win. Blocks on the disk.
    Raises SettingsWrong.
    """
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    values = _read(path) if path is not None else {}
    values.update(overrides or {})
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsWrong(path, [_mistake(detail) for detail in error.errors()]) from error


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SettingsWrong(path, [Mistake("", "there is no such file")])
    try:
        return TomlConfigSettingsSource(Settings, toml_file=path)()
    except tomllib.TOMLDecodeError as error:
        raise SettingsWrong(path, [Mistake("", f"this is not TOML: {error}")]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsWrong(path, [Mistake("", f"it cannot be read: {error}")]) from error


def _mistake(detail: Any) -> Mistake:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return Mistake(key, "there is no such setting")
    reason = detail["msg"].removeprefix("Value error, ")
    secret = key.startswith("ice_servers") or key.rpartition(".")[2] in SECRETS
    given = None if secret else detail.get("input")
    if isinstance(given, (str, int, float, bool)) and repr(given) not in reason:
        reason = f"{reason} (it is {given!r})"
    return Mistake(key, reason)
