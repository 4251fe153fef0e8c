"""The configuration: one file, all its mistakes at once, and an example that cannot go stale."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from web.settings import Settings, SettingsWrong, load

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def model_fields(model: type[BaseModel], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            found |= model_fields(type(default), f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = str(default) if isinstance(default, Path) else default
    return found


def flat(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in table.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_example_has_every_setting_with_its_default_and_nothing_else() -> None:
    assert flat(tomllib.loads(EXAMPLE.read_text())) == model_fields(Settings)


def test_the_example_explains_every_setting() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z_]+ = ", line):
            above = lines[number - 1]
            assert above.startswith("#") or re.match(r"[a-z_]+ = ", above), f"nothing is said about {line!r}"


def test_the_example_gives_the_same_settings_as_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(EXAMPLE) == load(None)


def test_a_bad_file_lists_all_its_mistakes_with_key_and_reason(tmp_path: Path) -> None:
    file = write(
        tmp_path / "bad.toml",
        """
        base_url = "ftp://x"
        listen_port = "eighty"
        udp_port = 65535
        workers = 3
        video_codecs = ["h264", "av2"]
        trusted_proxies = ["nowhere"]
        colour = "green"
        [limits]
        form_bytes = 1
        takes = 2
        [[ice_servers]]
        urls = ["http://x"]
        """,
    )
    with pytest.raises(SettingsWrong) as caught:
        load(file)
    by_key = {mistake.key: mistake.reason for mistake in caught.value.mistakes}
    assert set(by_key) == {
        "base_url",
        "listen_port",
        "workers",
        "video_codecs.1",
        "trusted_proxies",
        "colour",
        "limits.form_bytes",
        "limits.takes",
        "ice_servers.0.urls",
    }
    assert all(by_key.values())
    assert by_key["colour"] == "there is no such setting"
    assert "'eighty'" in by_key["listen_port"]


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong) as caught:
        load(write(tmp_path / "bad.toml", "listen_port = \n"))
    [mistake] = caught.value.mistakes
    assert "line 1" in mistake.reason


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong) as caught:
        load(tmp_path / "none.toml")
    assert [mistake.reason for mistake in caught.value.mistakes] == ["there is no such file"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('host = "smtp.example.com"', "from_address"),
        ('host = "a.example"\nfrom_address = "nobody"', "form name@example.com"),
        ('username = "me"', "belong together"),
        ('username = "me"\npassword = "hush-hush"\nsecurity = "none"', "in clear"),
        ("password = 12345678", "valid string"),
    ],
)
def test_mail_that_could_not_work_is_refused_and_no_password_is_repeated(tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(SettingsWrong) as caught:
        load(write(tmp_path / "bad.toml", f"[mail]\n{given}\n"))
    assert all(mistake.key.startswith("mail") for mistake in caught.value.mistakes)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "12345678" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('urls = ["turn:t.example"]', "wants a secret"),
        ('urls = ["stun:s.example", "turns:t.example:443?transport=tcp"]', "wants a secret"),
        ('urls = ["turn:t.example"]\nusername = "me"', "belong together"),
        ('urls = ["turn:t.example"]\nsecret = "hush-hush"\nusername = "me"\ncredential = "hush-hush"', "has a secret"),
        ('urls = ["turn:t.example"]\nsecret = "hush-hush"\nlifetime_s = 5', "greater than or equal to 60"),
        ('urls = ["turn:t.example"]\nsecret = 12345678', "valid string"),
        ('urls = ["turn:t.example?transport=sctp"]\nsecret = "hush-hush"', "neither"),
        ('urls = ["stun:s.example?transport=udp"]', "neither"),
        ('urls = ["turn:me@t.example"]\nsecret = "hush-hush"', "neither"),
        ("urls = []", "at least 1"),
        ('urls = ["turn:me:hush-hush@t.example"]', "'…@t.example' is neither"),
        ('urls = ["turn:t.example?credential=hush-hush"]', "'turn:t.example' is neither"),
        ('urls = "turn:me:hush-hush@t.example"', "valid list"),
    ],
)
def test_ice_servers_that_could_not_work_are_refused_and_no_secret_is_repeated(
    tmp_path: Path, given: str, said: str
) -> None:
    with pytest.raises(SettingsWrong) as caught:
        load(write(tmp_path / "bad.toml", f"[[ice_servers]]\n{given}\n"))
    assert all(mistake.key.startswith("ice_servers.0") for mistake in caught.value.mistakes)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "12345678" not in str(caught.value)


@pytest.mark.parametrize(
    "given", ['ice_servers = ["turn:me:hush@t"]', 'ice_servers = "turn:me:hush@t"', 'mail = "smtp://me:hush@m"']
)
def test_a_text_in_the_place_of_a_table_is_not_repeated(tmp_path: Path, given: str) -> None:
    with pytest.raises(SettingsWrong) as caught:
        load(write(tmp_path / "bad.toml", given))
    assert "valid" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_ice_server_of_the_example_is_a_good_one_and_keeps_its_secret(tmp_path: Path) -> None:
    [line] = [line[11:] for line in EXAMPLE.read_text().splitlines() if line.startswith("# Example: ice_servers")]
    settings = load(write(tmp_path / "some.toml", line.replace("...", "hush-hush")))
    assert settings.ice_servers[0].secret == "hush-hush"
    assert "hush" not in repr(settings)


def test_addresses_and_interfaces_do_not_both_say_what_is_advertised(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong) as caught:
        load(write(tmp_path / "bad.toml", 'interfaces = ["eth0"]\nadvertised_ips = ["203.0.113.7"]\n'))
    [mistake] = caught.value.mistakes
    assert mistake.key == "advertised_ips" and "one of the two" in mistake.reason


def test_settings_that_are_printed_hide_the_password(tmp_path: Path) -> None:
    text = '[mail]\nhost = "a.example"\nfrom_address = "a@b.example"\nusername = "me"\npassword = "hush-hush"\n'
    assert "hush" not in repr(load(write(tmp_path / "some.toml", text)))


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LISTEN_PORT", "listen_port", "GREENROOM_LISTEN_PORT", "DATA_DIR"):
        monkeypatch.setenv(name, "9999")
    assert load(None) == Settings()


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "some.toml", "listen_port = 81\nudp_port = 4000\n")
    settings = load(file, {"listen_port": 82})
    assert (settings.listen_port, settings.udp_port) == (82, 4000)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"listen_host": "0.0.0.0", "listen_port": 90}, "http://localhost:90"),
        ({"listen_host": "::1"}, "http://[::1]:8080"),
        ({"base_url": "https://a.example/"}, "https://a.example"),
    ],
)
def test_links_begin_with_the_base_url_or_else_with_where_it_listens(given: dict[str, object], origin: str) -> None:
    assert Settings(**given).origin == origin  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["https://a.example/path", "https://a.example?x=1", "example.com", "https://u@a.example"]
)
def test_a_base_url_is_an_origin(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Settings(base_url=url)
