"""What the form of sending holds, and the words on it. Pure: nothing is looked up here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from storage.sendings import CANDIDATES_LIMIT, Recipient
from storage.template_offers import Offer
from web.mail import addresses
from web.recruiter.send_contexts import OfferLine
from web.recruiter.template_times import DIFFICULTIES

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class SendForm:
    """As it was typed. `candidate_ids` are distinct, in the order of the page."""

    sending_id: str
    candidate_ids: list[str]
    offer: str
    day: str
    clock: str
    only_job: str
    back: str


def parse(pairs: Iterable[tuple[str, str]]) -> SendForm | None:
    """None for what no form of ours sends: a sending or a candidate whose id is none."""
    typed = list(pairs)
    single = dict(typed)
    candidate_ids = list(dict.fromkeys(value for name, value in typed if name == "candidate"))
    sending_id = single.get("sending", "")
    if not is_id(sending_id) or not all(is_id(each) for each in candidate_ids):
        return None
    return SendForm(
        sending_id=sending_id,
        candidate_ids=candidate_ids,
        offer=single.get("offer", ""),
        day=single.get("day", "")[:40],
        clock=single.get("clock", "")[:40],
        only_job=single.get("job", ""),
        back=single.get("back", ""),
    )


def is_id(text: str) -> bool:
    """Whether it has the form of an id of ours."""
    return _ID.fullmatch(text) is not None


def offer_value(offer: Offer) -> str:
    """An offer as the value of its radio button. A template's new version is another offer."""
    return f"{offer.job_id}.{offer.version_id}"


def deliverable(email: str) -> bool:
    """Whether mail can be addressed to it at all."""
    try:
        addresses.parse(email)
    except addresses.NoAddress:
        return False
    return True


def too_many(count: int) -> str:
    """The sentence for more candidates than one sending takes."""
    return f"You chose {count} candidates. One sending takes {CANDIDATES_LIMIT} at most: choose fewer, and send again."


def offer_line(
    offer: Offer, people: Sequence[Recipient], open_to: Mapping[tuple[str, str], str], chosen: str
) -> OfferLine:
    """The offer as a card, with exactly how many of these people it would be sent to."""
    skipped = []
    for each in people:
        if (invitation_id := open_to.get((each.id, offer.template_id))) is not None:
            skipped.append((f"{each.name} has an open invitation to it", f"/interviews/{invitation_id}"))
        elif not deliverable(each.email):
            skipped.append((f"{each.name} has no e-mail address that mail can reach", f"/candidates/{each.id}"))
    sent = len(people) - len(skipped)
    return OfferLine(
        value=offer_value(offer),
        job_title=offer.job_title,
        template_name=offer.template_name,
        facts=facts(offer),
        preview=f"/templates/versions/{offer.version_id}/preview",
        sent=sent,
        reach=reach(sent, len(people)),
        skipped=skipped,
        chosen=chosen == offer_value(offer) and sent > 0,
    )


def facts(offer: Offer) -> list[tuple[str, str]]:
    """Icon and words of what is to be known when choosing (R8)."""
    found = [
        ("list-checks", f"{offer.questions} question{'' if offer.questions == 1 else 's'}"),
        ("timer", f"about {offer.duration_min} min"),
    ]
    if offer.difficulty is not None:
        found.append(("gauge", DIFFICULTIES[offer.difficulty]))
    if offer.focus_area:
        found.append(("target", offer.focus_area))
    return found


def reach(sent: int, of: int) -> str:
    """Exactly how many invitations a press would send."""
    if of == 1:
        return "1 invitation will be sent." if sent else "No invitation can be sent."
    if sent == of:
        return f"{sent} invitations will be sent, one to each candidate."
    return f"{sent} of {of} invitations will be sent; {of - sent} {'is' if of - sent == 1 else 'are'} left out."
