"""A recruiter in a real browser: what they press, and what they see. Names as the pages have them."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.house import EMAIL, PASSWORD, House

WAIT_MS = 20_000
STATUSES = ("Invited", "Active", "Completed", "Expired", "Cancelled", "Not invited")


class Recruiter:
    """One browser context, signed in. `problems` collects what the console and the policy complain of."""

    def __init__(self, browser: Browser, house: House) -> None:
        self.house = house
        self.context = browser.new_context()
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.problems: list[str] = []
        self.page.on("console", lambda word: self.problems.append(word.text) if word.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def sign_in(self) -> None:
        self.go("/interviews")
        self.page.get_by_label("E-mail").fill(EMAIL)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Sign in")
        expect(self.page).to_have_url(self.house.url + "/interviews")

    def go(self, path: str) -> Page:
        self.page.goto(self.house.url + path)
        return self.page

    def press(self, name: str, *, within: Locator | None = None) -> None:
        (within or self.page).get_by_role("button", name=name, exact=True).first.click()

    def follow(self, name: str, *, within: Locator | None = None) -> None:
        (within or self.page).get_by_role("link", name=name, exact=True).first.click()

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog#dialog[open]")

    def makes_a_job(self, title: str) -> None:
        self.go("/jobs")
        self.follow("New job")
        self.dialog.get_by_label("Title").fill(title)
        self.press("Create job", within=self.dialog)
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(title)

    def makes_a_template(self, name: str, job: str, *questions: str) -> None:
        """Published, and attached to the job."""
        self.go("/templates")
        self.page.get_by_label("Name of your first template").fill(name)
        self.press("Create template")
        texts = self.page.locator(".question textarea")
        for number, question in enumerate(questions):
            if texts.count() <= number:
                self.press("Add question")
            expect(texts).to_have_count(number + 1)
            texts.nth(number).fill(question)
        expect(self.page.locator("[data-save-state]")).to_contain_text("Saved")
        self.page.get_by_role("checkbox", name=job).check()
        self.press("Save jobs")
        expect(self.page.get_by_text("The jobs are saved.")).to_be_visible()
        self.press("Publish")
        expect(self.page.get_by_text("Version 1 is published.")).to_be_visible()

    def adds_a_candidate(self, name: str, email: str, job: str) -> None:
        self.go("/candidates")
        self.follow("Add candidate")
        self.dialog.get_by_label("Name").fill(name)
        self.dialog.get_by_label("E-mail address").fill(email)
        self.dialog.get_by_label("Job").select_option(label=job)
        self.press("Add candidate", within=self.dialog)
        expect(self.dialog).to_have_count(0)
        expect(self.page.get_by_text(name).first).to_be_visible()

    def status_in(self, container: Locator) -> str:
        """The one status that this row, card or header shows."""
        expect(container.locator(".pill").first).to_be_visible()
        shown = [text.strip() for text in container.locator(".pill").all_inner_texts()]
        (status,) = [text for text in shown if text in STATUSES]
        return status

    def statuses(self, name: str) -> dict[str, str]:
        """What every page that shows the status of this candidate says."""
        found = {}
        self.go("/interviews")
        found["interviews"] = self.status_in(self.page.get_by_role("row").filter(has_text=name))
        self.go("/candidates")
        row = self.page.get_by_role("row").filter(has_text=name)
        found["candidates"] = self.status_in(row)
        row.get_by_role("link", name=name, exact=True).click()
        expect(self.page).to_have_url(re.compile("/candidates/[0-9a-f]{32}"))
        found["profile"] = self.status_in(self.page.locator(".profile-head"))
        self.follow("Interviews", within=self.page.get_by_role("navigation", name=f"About {name}"))
        expect(self.page).to_have_url(re.compile("tab=interviews"))
        found["profile's interviews"] = self.status_in(self.page.locator(".profile-main"))
        self.page.locator(".applied a").first.click()
        expect(self.page).to_have_url(re.compile("/jobs/"))
        found["board"] = self.status_in(self.page.locator(".person").filter(has_text=name))
        return found

    def menu_of(self, name: str, entry: str) -> None:
        """Presses an entry of the row menu on the list of interviews."""
        self.go("/interviews")
        menu = self.page.get_by_role("row").filter(has_text=name).locator(".row-menu")
        menu.locator("summary").click()
        menu.get_by_text(entry, exact=True).click()

    def scores(self, question: int, value: int) -> None:
        """Gives a score, on the review page; 0 is the interview as a whole. Waits until it is saved."""
        form = self.page.locator(f"#rate-{question}")
        form.locator(f"label[for=rate-{question}-{value}]").click()
        expect(self.page.locator(f"#rate-{question} [data-save-state]")).to_contain_text("Saved")

    def score_of(self, question: int) -> int:
        """One's own score as the page shows it."""
        return int(self.page.locator(f"#rate-{question} input[type=radio]:checked").input_value())

    def comments(self, text: str) -> None:
        """Types a comment on the answer shown, and posts it once the draft is kept."""
        form = self.page.locator("form.say:visible").first
        form.locator("textarea").fill(text)
        expect(form.locator("[data-draft-state]")).to_contain_text("kept")
        self.press("Post comment", within=form)
        expect(self.page.locator(".comment-text", has_text=text).first).to_be_visible()

    def close(self) -> None:
        self.context.close()
