"""The template editor in a real browser: it saves by itself, questions move by hand and by key, nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from storage.ids import new_id
from tests.journeys.house import EMAIL, PASSWORD, House
from tests.journeys.test_pages import complaints

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One server for all of them: each makes a template of its own."""
    house = House(tmp_path_factory.mktemp("templates") / "house")
    house.settle_in()
    house.start()
    yield house
    house.end()


@pytest.fixture
def opened(open_house: House, browser: Browser) -> Iterator[Opened]:
    """Gives signed-in pages of one browser that end with the test."""
    house = open_house
    contexts: list[BrowserContext] = []

    def a_page(**options: object) -> Page:
        context = browser.new_context(base_url=house.url, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.goto("/sign-in?next=/templates")
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/templates")
        return page

    yield a_page
    for context in contexts:
        context.close()


def named(page: Page) -> None:
    """Types a name that no template has yet."""
    page.get_by_label(re.compile("^(Name of your first|New) template$")).fill(f"Talk {new_id()}")


def new_template(page: Page, *texts: str) -> None:
    named(page)
    page.get_by_role("button", name="Create template").click()
    for text in texts:
        page.get_by_role("button", name="Add question").click()
        page.keyboard.type(text)
    expect(page.locator("[data-save-state]")).to_have_text("Saved")


def order(page: Page) -> list[str]:
    return [each.input_value() for each in page.locator(".questions textarea").all()]


def test_what_is_typed_is_there_after_a_reload_without_a_press_of_save(opened: Opened) -> None:
    page = opened()
    new_template(page, "One", "Two", "Three")
    page.get_by_label("Think time", exact=True).nth(1).select_option("Other…")
    page.get_by_label("Think time, with its unit").nth(1).fill("1:15")
    page.get_by_label("Focus area").fill("Bread")
    expect(page.locator("[data-save-state]")).to_have_text("Not saved yet")
    expect(page.locator("[data-save-state]")).to_have_text("Saved")
    page.reload()
    assert order(page) == ["One", "Two", "Three"]
    assert page.get_by_label("Think time", exact=True).nth(1).input_value() == "75"
    assert page.get_by_label("Focus area").input_value() == "Bread"


def test_questions_move_by_keyboard_button_and_pointer(opened: Opened) -> None:
    page = opened()
    new_template(page, "One", "Two", "Three")
    page.locator(".questions textarea").first.focus()
    page.keyboard.press("Alt+ArrowDown")
    assert order(page) == ["Two", "One", "Three"]
    page.keyboard.type("!")  # the focus went along
    page.get_by_role("button", name="Move question 3 up").click()
    assert [text.strip("!") for text in order(page)] == ["Two", "Three", "One"]
    grip = page.locator("[data-grip]").nth(2)
    grip.scroll_into_view_if_needed()
    box, first = grip.bounding_box(), page.locator(".question").first.bounding_box()
    assert box is not None and first is not None
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 8, first["y"] + 4, steps=8)
    expect(page.locator(".questions textarea").first).to_have_id(
        page.locator(".dragged textarea").get_attribute("id") or ""
    )
    page.mouse.up()
    expect(page.locator("[data-save-state]")).to_have_text("Saved")
    page.reload()
    assert [text.strip("!") for text in order(page)] == ["One", "Two", "Three"]


def test_a_removed_question_can_be_put_back(opened: Opened) -> None:
    page = opened()
    new_template(page, "One", "Two")
    page.get_by_role("button", name="Remove question 1").click()
    expect(page.get_by_text("Question 1 removed.", exact=True)).to_be_visible()
    expect(page.locator("[data-save-state]")).to_have_text("Saved")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-save-state]")).to_have_text("Saved")
    page.reload()
    assert order(page) == ["One", "Two"]


def test_publishing_right_after_typing_publishes_what_was_typed(opened: Opened) -> None:
    page = opened()
    new_template(page, "One")
    page.get_by_label("Introduction").fill("Typed last")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Version 1 is published.")).to_be_visible()
    expect(page.get_by_text("Typed last")).to_be_visible()


def test_two_tabs_are_told_of_each_other_and_neither_loses_a_word(opened: Opened) -> None:
    page = opened()
    new_template(page, "One")
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_label("Introduction").fill("Theirs")
    expect(other.locator("[data-save-state]")).to_have_text("Saved")
    page.get_by_label("Introduction").fill("Mine")
    expect(page.locator("[data-save-state]")).to_contain_text("changed elsewhere")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("This draft was saved elsewhere after you opened it")).to_be_visible()
    page.get_by_role("link", name="Look at theirs").click()
    expect(page.get_by_role("dialog").get_by_text("Theirs")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.get_by_label("Introduction").input_value() == "Mine"
    page.get_by_role("button", name="Save mine instead").click()
    expect(page.get_by_text("The draft is saved.")).to_be_visible()
    assert page.get_by_label("Introduction").input_value() == "Mine"


def test_signed_out_while_typing_nothing_is_lost(opened: Opened) -> None:
    page = opened()
    new_template(page, "One")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.get_by_label("Introduction").fill("Typed while signed out")
    expect(page.locator("[data-save-state]")).to_contain_text("you are signed out")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("[data-save-state]")).to_contain_text("you are signed out")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("[data-save-state]")).to_have_text("Saved")
    page.reload()
    assert page.get_by_label("Introduction").input_value() == "Typed while signed out"


def test_the_editor_works_without_a_script(opened: Opened) -> None:
    page = opened(java_script_enabled=False)
    named(page)
    page.get_by_role("button", name="Create template").click()
    page.get_by_role("button", name="Add question").click()
    page.locator("#text-1").fill("One")
    page.get_by_role("button", name="Add question").click()
    page.locator("#text-2").fill("Two")
    page.get_by_role("button", name="Move question 2 up").click()
    assert order(page) == ["Two", "One"]
    page.locator("#name").fill("")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("A template needs a name.")).to_be_visible()
    page.locator("#name").fill(f"Plain {new_id()}")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Version 1 is published.")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_the_template_pages_pass_the_accessibility_rules(opened: Opened, width: int, scheme: str) -> None:
    page = opened(viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert complaints(page) == []
    new_template(page, "One", "Two")

    def look(step: str) -> None:
        assert complaints(page) == [], step
        assert page.locator("h1:visible").count() == 1, step
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{step} scrolls sideways"

    look("editor")
    page.get_by_label("Answer time", exact=True).first.select_option("Other…")
    expect(page.locator("[data-save-state]")).to_contain_text("Not saved: something")
    look("mistake")
    page.get_by_label("Answer time", exact=True).first.select_option("1 min")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Version 1 is published.")).to_be_visible()
    look("published")
    page.get_by_role("button", name="Archive template").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    look("archived")
