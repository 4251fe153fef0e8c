"""The review page's modules that know no document, run by themselves in Node."""

from __future__ import annotations

from tests.web.page_modules import RECRUITER, run


def test_a_waveform_has_at_most_so_many_bars_and_loses_no_peak() -> None:
    script = """
    const { bars } = await import("./waveform.js");
    const levels = Array.from({ length: 1000 }, (_, place) => (place === 777 ? 127 : 20));
    const many = bars(levels);
    const result = { many: many.length, peaks: many.filter((bar) => bar === 1).length, few: bars([0, 127, 61]).length };
    """
    assert run(script, RECRUITER) == {"many": 180, "peaks": 1, "few": 3}


def test_marks_stand_where_their_moments_are_and_never_beside_the_sound() -> None:
    script = """
    const { place, initials } = await import("./marks.js");
    const result = {
      places: [place(0, 90_000), place(45, 90_000), place(200, 90_000), place(-1, 90_000), place(3, 0)],
      initials: ["Maya Lind", "Åsa", "  ", "Jonas van der Berg", "👩 Kim"].map(initials),
    };
    """
    assert run(script, RECRUITER) == {"places": [0, 0.5, 1, 0, 0], "initials": ["ML", "Å", "?", "JB", "👩K"]}


DRAFT = """
const { Draft } = await import("./drafts.js");
const standings = [], sent = [], answers = [];
let text = "";
globalThis.setTimeout = (act) => { later = act; return 1; };
let later = null;
const draft = new Draft(
  () => { sent.push(text); return new Promise((done, fail) => answers.push((it) => (it ? done(it) : fail()))); },
  (standing) => standings.push(standing),
);
const turn = () => new Promise((done) => setImmediate(done));
"""


def test_what_is_typed_while_a_draft_is_being_saved_is_saved_after_it() -> None:
    script = """
    text = "a"; draft.typed(); later(); await turn();
    text = "ab"; draft.typed(); later(); await turn();
    const during = sent.length;
    answers[0]({ status: 204 }); await turn();
    later(); await turn();
    answers[1]({ status: 204 }); await turn();
    const result = { during, sent, last: standings.at(-1), unsaved: draft.unsaved };
    """
    assert run(DRAFT + script, RECRUITER) == {"during": 1, "sent": ["a", "ab"], "last": "saved", "unsaved": False}


def test_a_draft_that_could_not_be_saved_is_tried_again_and_says_so() -> None:
    script = """
    text = "a"; draft.typed(); later(); await turn();
    answers[0](null); await turn();
    const afterFailure = [standings.at(-1), draft.unsaved];
    later(); await turn();
    answers[1]({ status: 200, redirected: true }); await turn();
    const signedOut = [standings.at(-1), draft.unsaved];
    later(); await turn();
    answers[2]({ status: 204 }); await turn();
    const result = { afterFailure, signedOut, sent: sent.length, last: standings.at(-1) };
    """
    assert run(DRAFT + script, RECRUITER) == {
        "afterFailure": ["failed", True],
        "signedOut": ["failed", True],
        "sent": 3,
        "last": "saved",
    }


def test_a_draft_whose_comment_was_posted_elsewhere_does_not_say_that_it_is_kept() -> None:
    script = """
    text = "a"; draft.typed(); later(); await turn();
    answers[0]({ status: 409 }); await turn();
    const result = { last: standings.at(-1), unsaved: draft.unsaved };
    """
    assert run(DRAFT + script, RECRUITER) == {"last": "posted", "unsaved": False}


def test_a_draft_whose_comment_is_being_posted_is_not_saved_any_more() -> None:
    script = """
    text = "a"; draft.typed(); draft.stop(); later(); await turn();
    const result = { sent, unsaved: draft.unsaved };
    """
    assert run(DRAFT + script, RECRUITER) == {"sent": [], "unsaved": False}


def test_only_a_part_or_a_form_with_its_mistake_lands_in_the_page() -> None:
    script = """
    const { trouble } = await import("./saving.js");
    const of = (status, redirected = false) => trouble({ status, redirected }).slice(0, 9);
    const result = [of(200), of(204), of(422), of(200, true), of(404), of(413), of(500), of(503)];
    """
    assert run(script, RECRUITER) == ["", "", "", *["Not saved"] * 5]
