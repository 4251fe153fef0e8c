"""A whole server and its mail: down, refused, killed; each letter leaves once, or is shown as not sent."""

from __future__ import annotations

import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from tests.journeys.house import EMAIL, PASSWORD, Ask, House, Invited, until
from tests.web.smtp import PostOffice

ASK = Ask("What do you sow in autumn?")


@pytest.fixture
def office() -> Iterator[PostOffice]:
    office = PostOffice()
    yield office
    office.stop()


@pytest.fixture
def house(tmp_path: Path, office: PostOffice) -> Iterator[House]:
    house = House(tmp_path)
    house.settings["workers"] = "0"
    house.settings["mail"] = (
        f'{{ host = "127.0.0.1", port = {office.port}, security = "none", from_address = "jobs@meadow.example" }}'
    )
    yield house
    house.stop()


class Recruiter:
    """Signed in, and can press a button."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.press("/sign-in", email=EMAIL, password=PASSWORD)

    def press(self, path: str, **fields: str) -> None:
        form = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(f"{self._house.url}{path}", form, {"Origin": self._house.url})
        with self._browser.open(request, timeout=20) as response:
            assert response.status == 200

    def resend(self, invited: Invited) -> None:
        self.press(f"/interviews/{invited.id}/resend")


def states(house: House) -> list[str]:
    return sorted(row["state"] for row in house.rows("SELECT state FROM mails"))


def test_letters_leave_through_the_server_and_one_refused_address_is_shown_as_refused(
    house: House, office: PostOffice
) -> None:
    good, bad = house.furnish(ASK), house.furnish(ASK)
    office.at_rcpt[f"{bad.name.split()[1]}@example.com"] = "550 no such person"
    office.start()
    house.start()
    recruiter = Recruiter(house)
    for invited in (good, bad):
        recruiter.resend(invited)
    until(lambda: states(house) == ["refused", "sent"], 20, "one sent, one refused")
    [received] = office.received
    assert f"{house.url}{good.path}" in received.text()
    assert len(house.rows("SELECT * FROM events WHERE kind = 'mail.refused'")) == 1
    assert good.token not in house.log.read_text()


def test_a_server_killed_between_commit_and_send_sends_each_letter_once(house: House, office: PostOffice) -> None:
    invited = [house.furnish(ASK) for _ in range(12)]
    # A mail server that takes connections and says nothing: attempts hang, more letters wait behind them.
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", office.port))
        silent.listen(64)
        house.start()
        recruiter = Recruiter(house)
        for each in invited:
            recruiter.resend(each)
        silent.settimeout(20)
        hanging, _ = silent.accept()
        house.kill()
        hanging.close()
    assert states(house) == ["queued"] * 12, "committed, and none sent"
    office.start()
    house.start()
    until(lambda: states(house) == ["sent"] * 12, 40, "all are sent")
    # What was cut off has begun anew by now; a double would have come with it.
    time.sleep(2)
    assert sorted(each.recipient for each in office.received) == sorted(
        f"{each.name.split()[1]}@example.com" for each in invited
    )
    assert len({str(each.message["Message-ID"]) for each in office.received}) == 12


@pytest.mark.long
def test_a_mail_server_that_is_down_is_waited_for_across_a_restart(house: House, office: PostOffice) -> None:
    invited = house.furnish(ASK)
    house.start()
    Recruiter(house).resend(invited)
    [row] = until(lambda: house.rows("SELECT * FROM mails WHERE attempts = 1"), 20, "the first attempt failed")
    assert row["state"] == "queued"
    assert "connect" in row["reply"].lower()
    house.stop()
    office.start()
    house.start()
    until(lambda: states(house) == ["sent"], 90, "the second attempt, a minute after the first")
    assert len(office.received) == 1


def test_without_a_mail_server_letters_lie_in_the_outbox(house: House) -> None:
    del house.settings["mail"]
    invited = house.furnish(ASK)
    house.start()
    Recruiter(house).resend(invited)
    until(lambda: states(house) == ["outbox"], 20, "a file is written")
    [file] = (house.data / "outbox").iterdir()
    assert invited.path.encode() in file.read_bytes().replace(b"=\r\n", b"")
