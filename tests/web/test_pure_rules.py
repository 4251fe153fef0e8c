"""The parts without a server: steps, the details form, links, dates, addresses, the data directory."""

from __future__ import annotations

import asyncio
import stat
from ipaddress import ip_network
from pathlib import Path

import ifaddr
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from recorder.address import interface_addresses
from signaling.decision import LedgerKind
from storage.answers import LedgerEntry
from storage.shapes import DetailsField
from storage.states import InvitationStatus
from web import dates, links
from web.addresses import CannotAdvertise, address_key, advertised, client_address
from web.candidate import form
from web.candidate.steps import Step, details_done, may_open, reached
from web.data_folder import AnotherServer, DataFolderError, only_server, open_folder
from web.recruiter.account import device
from web.recruiter.wording import ledger_sentence, reason, verdict

FIELDS: list[DetailsField] = [
    {"name": "name", "label": "Full name", "required": True, "kind": "text"},
    {"name": "email", "label": "E-mail", "required": True, "kind": "email"},
    {"name": "phone", "label": "Phone", "required": False, "kind": "tel"},
]


@pytest.mark.parametrize("status", list(InvitationStatus))
@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("done", [True, False])
def test_every_situation_has_one_step(status: InvitationStatus, accepted: bool, done: bool) -> None:
    step = reached(status, accepted=accepted, details_done=done)
    assert may_open(step, step)
    if status in {InvitationStatus.PENDING, InvitationStatus.IN_PROGRESS} and not accepted:
        assert step is Step.NOTICE


def test_before_start_one_may_go_back_but_not_ahead() -> None:
    assert may_open(Step.NOTICE, Step.INTRODUCTION)
    assert may_open(Step.DETAILS, Step.INTRODUCTION)
    assert not may_open(Step.INTRODUCTION, Step.DETAILS)
    assert not may_open(Step.DETAILS, Step.INTERVIEW)
    assert not may_open(Step.INTERVIEW, Step.RECEIPT)


def test_details_are_done_once_they_were_saved_with_all_that_is_required() -> None:
    assert details_done([], {})
    assert not details_done(FIELDS, {})
    assert details_done(FIELDS, {"name": "A", "email": "a@example.com", "phone": ""})
    assert not details_done(FIELDS, {"name": "", "email": "a@example.com", "phone": ""})


@pytest.mark.parametrize("email", ["a@example.com", "a.b+c@sub.example.co", "ä@exämple.fi"])
def test_addresses_that_are_right_pass(email: str) -> None:
    assert form.is_email(email)


@pytest.mark.parametrize("email", ["a", "a@b", "a b@example.com", "a@b@c.de", "@example.com", "a@.", "a@x.com,b@x.com"])
def test_addresses_that_are_wrong_do_not(email: str) -> None:
    assert not form.is_email(email)


@given(st.dictionaries(st.sampled_from(["name", "email", "phone", "other"]), st.text()))
def test_any_typed_text_gives_each_field_a_value_or_a_mistake(typed: dict[str, str]) -> None:
    for field, wanted in zip(form.checked(FIELDS, typed), FIELDS, strict=True):
        assert field.name == wanted["name"]
        if field.required and not typed.get(field.name, "").strip():
            assert field.error
        if not field.error:
            assert len(field.value) <= form.LONGEST
            assert not field.value or field.value.isprintable() or not field.value.strip()


def test_a_link_is_the_same_each_time_and_another_for_each_invitation_and_generation() -> None:
    secret = b"s" * 32
    made = {links.link_token(secret, invitation, number) for invitation in ("a", "b", "a1") for number in (1, 2, 11)}
    assert len(made) == 9
    assert links.link_token(secret, "a", 1) in made
    assert links.link_token(b"t" * 32, "a", 1) not in made
    assert all(links.looks_like_token(token) for token in made)


def test_a_device_mark_is_no_link_and_fits_one_invitation() -> None:
    secret = b"s" * 32
    mark = links.device_mark(secret, "a", 1)
    assert mark != links.link_token(secret, "a", 1)
    assert links.is_device_mark(secret, "a", 1, mark)
    assert not links.is_device_mark(secret, "a", 2, mark)
    assert not links.is_device_mark(secret, "b", 1, mark)
    assert not links.is_device_mark(secret, "a", 1, "é")


@pytest.mark.parametrize(
    ("past_ms", "said"),
    [
        (0, "just now"),
        (59_000, "just now"),
        (60_000, "1 min ago"),
        (3_600_000, "1 h ago"),
        (3_600_000 * 13, "13 h ago"),
        (86_400_000, "yesterday"),
        (86_400_000 * 3, "3 days ago"),
        (86_400_000 * 30, "22 Aug"),
        (86_400_000 * 365, "21 Sep 2025"),
        (-5000, "21 Sep"),
    ],
)
def test_the_past_is_told_as_people_tell_it(past_ms: int, said: str) -> None:
    now_ms = 1_790_000_000_000  # 21 September 2026, 14:13:20 UTC
    assert dates.ago(now_ms - past_ms, now_ms, "UTC") == said


def test_the_exact_time_names_its_zone() -> None:
    assert dates.when(1_790_000_000_000, "Europe/Helsinki") == "21 September 2026, 17:13 (Europe/Helsinki)"
    assert dates.machine_time(1_790_000_000_000, "Europe/Helsinki") == "2026-09-21T17:13:20+03:00"


@pytest.mark.parametrize(("ms", "said"), [(0, "0:00"), (7_900, "0:07"), (150_000, "2:30"), (3_723_000, "1:02:03")])
def test_lengths_are_told_as_on_a_player(ms: int, said: str) -> None:
    assert dates.length(ms) == said


@pytest.mark.parametrize(("seconds", "said"), [(45, "45 s"), (60, "1 min"), (90, "1 min 30 s"), (120, "2 min")])
def test_spans_have_units(seconds: int, said: str) -> None:
    assert dates.span(seconds) == said


@pytest.mark.parametrize("kind", list(LedgerKind))
def test_every_step_of_a_ledger_has_a_sentence_even_without_details(kind: LedgerKind) -> None:
    sentence = ledger_sentence(LedgerEntry(1, "a", 0, kind, {}))
    assert sentence[0].isupper()
    assert "_" not in sentence


def test_what_a_later_release_wrote_is_told_by_its_code() -> None:
    assert ledger_sentence(LedgerEntry(1, "a", 0, "moon_phase", {})) == "Moon phase"
    assert verdict("splendid").label == "Recording not judged"
    assert reason("too_green") == "Too green"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/140 Safari/537 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit Chrome/140 Mobile Safari/537", "Chrome on Android"),
        ("", "A browser"),
    ],
)
def test_devices_are_named_so_that_people_know_their_own(agent: str, said: str) -> None:
    assert device(agent) == said


@pytest.mark.parametrize(
    ("forwarded", "trusted", "address"),
    [
        ("", [], "10.0.0.1"),
        ("203.0.113.9", [], "10.0.0.1"),
        ("203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("198.51.100.1, 10.2.2.2", ["10.0.0.0/8"], "198.51.100.1"),
        ("rubbish", ["10.0.0.0/8"], "rubbish"),
    ],
)
def test_only_our_own_proxies_are_believed_about_addresses(forwarded: str, trusted: list[str], address: str) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded}).clone(remote="10.0.0.1")
    assert client_address(request, [ip_network(each) for each in trusted]) == address


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("rubbish" * 20, ("rubbish" * 20)[:64]),
    ],
)
def test_attempts_are_counted_by_address_or_by_ipv6_network(address: str, key: str) -> None:
    assert address_key(address) == key


async def test_addresses_given_are_advertised_as_they_are_and_names_resolved() -> None:
    assert await advertised(["203.0.113.7"], []) == ("203.0.113.7",)
    assert "127.0.0.1" in await advertised(["localhost"], [])


async def test_by_default_every_interface_is_advertised_but_link_local_ones() -> None:
    found = await advertised([], [])
    assert found[-1] in ("127.0.0.1", "::1"), "loopback comes last"
    assert "127.0.0.1" in found
    assert not [address for address in found if address.startswith("fe80")]
    assert await advertised([], ["lo"]) == tuple(interface_addresses(["lo"]))


async def test_what_cannot_be_advertised_is_named() -> None:
    with pytest.raises(CannotAdvertise, match=r"nowhere\.invalid"):
        await advertised(["nowhere.invalid"], [])
    with pytest.raises(CannotAdvertise, match="nonsense7"):
        await advertised([], ["nonsense7"])
    for nowhere in ("0.0.0.0", "::", "224.0.0.1", "169.254.1.1", "fe80::1"):
        with pytest.raises(CannotAdvertise, match="no browser can send to"):
            await advertised([nowhere], [])


async def test_what_a_name_has_beside_a_good_address_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def lookup(name: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        known = {"media.example.com": ["203.0.113.7", "fe80::1", "203.0.113.7"], "two.example.com": ["203.0.113.8"]}
        return [(0, 0, 0, "", (address, 0)) for address in known[name]]

    monkeypatch.setattr(loop, "getaddrinfo", lookup)
    assert await advertised(["media.example.com", "two.example.com"], []) == ("203.0.113.7", "203.0.113.8")


def test_of_interfaces_the_named_ones_count_and_the_best_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def adapter(name: str, *addresses: str) -> ifaddr.Adapter:
        return ifaddr.Adapter(name, name, [
            ifaddr.IP((each, 0, 0) if ":" in each else each, 24, name) for each in addresses
        ])  # fmt: skip

    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [
        adapter("lo", "127.0.0.1", "::1"),
        adapter("eth0", "2001:db8::7", "203.0.113.7", "fe80::7"),
        adapter("tun0", "10.8.0.1", "169.254.9.9"),
    ])  # fmt: skip
    monkeypatch.setattr("recorder.address.has_ipv6", lambda: True)
    assert interface_addresses() == ["203.0.113.7", "10.8.0.1", "2001:db8::7", "127.0.0.1", "::1"]
    assert interface_addresses(["eth0"]) == ["203.0.113.7", "2001:db8::7"]
    monkeypatch.setattr("recorder.address.has_ipv6", lambda: False)
    assert interface_addresses(["eth0", "lo"]) == ["203.0.113.7", "127.0.0.1"]


def test_the_data_directory_and_the_secret_are_their_owners_alone(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "deep" / "data")
    for path, mode in ((folder.root, 0o700), (folder.recordings, 0o700), (folder.run, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE((folder.root / "secret.key").stat().st_mode) == 0o600
    assert open_folder(folder.root).secret == folder.secret
    assert len(folder.secret) == 32
    assert sorted(path.name for path in folder.root.iterdir()) == ["recordings", "run", "secret.key"]


def test_a_damaged_secret_is_not_used(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "data")
    (folder.root / "secret.key").write_bytes(b"short")
    with pytest.raises(DataFolderError, match="damaged"):
        open_folder(folder.root)


def test_a_data_directory_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataFolderError, match="cannot be used"):
        open_folder(tmp_path / "data")


def test_one_server_holds_a_data_directory(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "data")
    with only_server(folder), pytest.raises(AnotherServer, match="is running on"), only_server(folder):
        pass
    with only_server(folder):
        pass
