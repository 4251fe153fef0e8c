"""Every fault case of `make fault` in short: counts and files, never CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.fault import SHORT
from tests.bench.finding import Figure, Finding

OF_TIME = ("ms of CPU a connection",)


def broken(finding: Finding) -> list[Figure]:
    return [figure for figure in finding.figures if not figure.kept and figure.name not in OF_TIME]


def test_5_percent_loss_costs_no_frame(tmp_path: Path) -> None:
    finding = SHORT["loss"](tmp_path)
    assert broken(finding) == [], finding.notes
    assert finding.notes["video_packets_recovered"] > 0


def test_bursts_of_loss_leave_no_broken_picture(tmp_path: Path) -> None:
    finding = SHORT["bursts"](tmp_path)
    assert broken(finding) == [], finding.notes
    assert finding.notes["video_packets_recovered"] > 0


def test_what_a_sender_does_not_send_again_is_a_gap_in_the_sidecar_and_pictures_go_on_at_a_key_frame(
    tmp_path: Path,
) -> None:
    finding = SHORT["bursts_unanswered"](tmp_path)
    assert broken(finding) == [], finding.notes
    assert finding.notes["holes"], "the bursts did cost frames"


def test_every_file_of_a_killed_worker_plays_almost_to_the_moment(tmp_path: Path) -> None:
    finding = SHORT["kill"](tmp_path)
    assert broken(finding) == [], finding.notes
    assert finding.notes["files"] == 2 * finding.notes["kills"]


def test_garbage_on_the_port_disturbs_nobody(tmp_path: Path) -> None:
    finding = SHORT["garbage"](tmp_path)
    assert broken(finding) == [], finding.notes
    assert finding.notes["counters"]["datagrams"] >= finding.notes["datagrams"] / 2


@pytest.mark.parametrize("case", ["many", "crowd"])
def test_no_frame_is_missing_however_many_come(tmp_path: Path, case: str) -> None:
    finding = SHORT[case](tmp_path)
    assert broken(finding) == [], finding.notes


def test_a_worker_that_dies_touches_its_own_takes_alone(tmp_path: Path) -> None:
    finding = SHORT["workers"](tmp_path)
    assert broken(finding) == [], finding.notes
    assert finding.notes["takes_of_the_dead"] == 2


def test_bad_peers_hold_up_no_other(tmp_path: Path) -> None:
    finding = SHORT["flood"](tmp_path)
    assert broken(finding) == [], finding.notes
    assert finding.notes["records_dropped"] > 0
