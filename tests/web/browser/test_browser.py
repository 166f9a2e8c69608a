"""What a clinician does, in a browser: with and without scripts, by keyboard, on paper, heard as well as seen."""

import re
import time

import pytest
from tests.web.browser.conftest import sign_in

from ketapredict.monitoring import monitoring_rules

# docs/screenshot.py measures how long it takes; here others may be at work, and this only catches what is broken.
LONGEST_WAIT = 1.0

SMALLEST_POINTS = 6.5
PROBABILITY = re.compile(r"^(under |over )?\d{1,2}%$")


@pytest.fixture
def patient(page, address):
    """The page of a course that has a 24 h score."""
    page.goto(f"{address}/courses")
    page.get_by_label("Order").select_option("probability")
    press(page, "Show")
    page.locator("tbody a").nth(2).click()
    page.wait_for_selector("#probability")
    return page


def press(page, name: str) -> None:
    """Press a button that sends a form, and wait for the page that answers."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


def serious(page) -> list[str]:
    """What axe finds that is serious or critical on the page as it is."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in ("serious", "critical")]


def test_a_clinician_signs_in_and_reads_probability_and_first_reason(browser, address, pictures):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{address}/courses")
    assert page.url.endswith("/sign-in")
    assert serious(page) == []
    page.screenshot(path=pictures / "sign-in.png")
    sign_in(page, address, "clinician", "not the password")
    assert page.get_by_role("alert").is_visible()
    sign_in(page, address, "clinician")
    page.get_by_role("link", name="Courses").first.click()
    page.screenshot(path=pictures / "courses.png")
    page.locator("tbody a").first.click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("Course simulated-")
    assert PROBABILITY.match(page.locator("#probability").inner_text())
    assert re.search(r"estimate", page.locator("#reasons li").first.inner_text())
    banner = page.locator(".statement")
    assert banner.inner_text().startswith("SIMULATED")
    page.mouse.wheel(0, 2000)
    assert banner.is_visible()
    assert banner.bounding_box()["y"] == 0  # it stays in sight
    press(page, "Sign out")
    page.goto(f"{address}/courses")
    assert page.url.endswith("/sign-in")
    context.close()


def test_the_list_is_searched_sorted_and_paged(page, address):
    page.goto(f"{address}/courses")
    press(page, "Next page")
    assert "page 2 of" in page.get_by_role("status").inner_text()
    page.get_by_label("Order").select_option("probability-down")
    press(page, "Show")
    numbers = [int(re.sub(r"\D", "", text)) for text in page.locator("tbody td.n").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    name = page.locator("tbody th a").nth(5).inner_text()
    page.get_by_label("Course, patient or site contains").fill(name)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("tbody th a").all_inner_texts() == [name]
    assert name not in page.url


def test_moving_the_24_hour_score_changes_probability_and_reasons_at_once(patient, pictures):
    page = patient
    # At 24 h the score is the last that is known: there it must move number and first reason, whatever the model.
    page.goto(f"{page.url}?landmark=24h")
    before = (page.locator("#probability").inner_text(), page.locator("#reasons li").first.inner_text())
    score = page.get_by_label("score at 24 h", exact=False).first
    spoken = page.locator("#what-if-result")
    heard = page.get_by_role("status")
    assert heard.inner_text() == ""
    score.fill("1")
    page.wait_for_selector("#what-if-probability")
    first = page.locator("#what-if-probability").inner_text()
    assert "HYPOTHETICAL" in spoken.inner_text()
    # A sentence is heard, and not the whole part with its tables.
    assert spoken.get_attribute("aria-live") is None
    assert re.search(rf"own estimate: {before[0]}. Hypothetical: {first}", heard.inner_text())
    assert len(heard.inner_text()) < 120
    page.locator(".what-if-section").screenshot(path=pictures / "what-if.png")
    # The second time, when nothing is cold: until the page shows it.
    waits = []
    for value in ("40", "3", "38"):
        shown = page.locator("#what-if-changes").inner_text()
        started = time.perf_counter()
        score.fill(value)
        page.wait_for_function(
            "before => document.getElementById('what-if-changes')?.innerText !== before", arg=shown, polling=5
        )
        waits.append(time.perf_counter() - started)
    assert page.locator("#what-if-probability").inner_text() != first
    assert page.locator("#what-if-reasons li").first.inner_text() != before[1]
    # The page's own estimate stays what it was.
    assert (page.locator("#probability").inner_text(), page.locator("#reasons li").first.inner_text()) == before
    assert min(waits) < LONGEST_WAIT
    page.get_by_role("button", name="Back to this patient's inputs").click()
    page.wait_for_function("() => document.getElementById('what-if-changes')?.innerText.startsWith('Nothing')")
    assert page.locator("#what-if-probability").inner_text() == before[0]
    assert serious(page) == []


def test_a_hypothetical_input_that_cannot_be_is_told_where_one_hears_it(patient):
    page = patient
    page.get_by_label("score at 24 h", exact=False).first.fill("999")
    page.wait_for_selector("#what-if-result [role=alert]")
    assert "0 to 60 points" in page.locator("#what-if-result").inner_text()
    assert "999" not in page.locator("#what-if-result").inner_text()


def test_a_score_that_is_not_known_has_no_place_on_a_slider(page, address):
    page.goto(f"{address}/new")
    fields = {"course_id": "no-72h", "score_baseline": "30", "score_24h": "20"}
    for field, value in fields.items():
        page.locator(f"#field-{field}").fill(value)
    page.locator("#field-diagnosis").select_option("MDD")
    press(page, "Show what to watch, and the estimate")
    page.get_by_text("All other inputs").click()
    known, baseline = (page.locator(f"#field-{name}") for name in ("score_24h", "score_baseline"))
    slider = page.locator("#field-score_24h + input[type=range]")
    assert slider.is_visible()
    assert slider.input_value() == "20"
    known.fill("")
    assert not slider.is_visible()
    known.fill("12")
    assert slider.is_visible()
    assert slider.input_value() == "12"
    assert baseline.input_value() == "30"


def test_what_if_without_scripts(browser, address, signed_in):
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/courses")
    page.locator("tbody a").first.click()
    page.get_by_label("score at 24 h", exact=False).first.fill("2")
    press(page, "Show the hypothetical estimate")
    assert "HYPOTHETICAL" in page.locator("#what-if-result").inner_text()
    assert PROBABILITY.match(page.locator("#what-if-probability").inner_text())
    assert page.get_by_label("score at 24 h", exact=False).first.input_value() == "2"
    context.close()


def printed_pages(page) -> int:
    """How many pages of paper a page is, A4 or Letter: the more."""
    return max(len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format=paper))) for paper in ("A4", "Letter"))


def on_paper(page) -> None:
    """Show a page as it is printed on A4 within its margins."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1047})


def smallest_print(page) -> float:
    """The smallest text of a page that is shown as printed, in points; in pictures as they are scaled."""
    return page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('article p, article li, article th, article td, svg text')]
        .filter(e => e.checkVisibility() && e.textContent.trim()).map(e => {
            const picture = e.closest('svg');
            const scale = picture ? picture.getBoundingClientRect().width / picture.viewBox.baseVal.width : 1;
            return parseFloat(getComputedStyle(e).fontSize) * scale * 0.75;
        }))"""
    )


def all_that_holds_is_printed_with_its_words_and_sources(page) -> None:
    """A sheet of paper has no page behind it where one could look further."""
    printed = {rule.id: rule for rule in monitoring_rules()}
    notes = page.locator(".summary-notes li")
    assert notes.count() >= 2
    numbered = page.locator(".summary-sources").inner_text()
    for note in notes.all():
        rule = printed[note.get_attribute("data-rule")]
        assert rule.words in note.inner_text()
        assert rule.certainty in note.inner_text()
        for source in rule.sources:
            assert source.citation in numbered


def test_the_summary_prints_on_one_page(patient, pictures):
    page = patient
    page.get_by_role("link", name="Summary to print").click()
    assert printed_pages(page) == 1
    on_paper(page)
    assert not page.locator(".site-header").is_visible()
    assert page.locator(".statement").is_visible()
    page.screenshot(path=pictures / "summary.png", full_page=True)
    all_that_holds_is_printed_with_its_words_and_sources(page)
    assert page.locator(".summary-bar svg").is_visible()
    assert page.locator(".summary-waterfall svg").is_visible()
    assert smallest_print(page) >= SMALLEST_POINTS


def test_a_new_patient_with_a_mistake_is_repaired_by_keyboard_alone(page, address, pictures):
    page.goto(f"{address}/new")

    def to(field: str) -> None:
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == field:
                return
        pytest.fail(f"no way to {field} by keyboard")

    to("field-course_id")
    page.keyboard.type("walk-in")
    to("field-diagnosis")
    page.keyboard.type("BD-II")
    to("field-score_baseline")
    page.keyboard.type("34")
    to("field-score_24h")
    page.keyboard.type("340")
    to("field-systolic_mmhg")
    page.keyboard.type("161")
    to("field-mood_stabilizer")
    page.keyboard.type("no")
    page.locator("button.primary").focus()
    page.keyboard.press("Enter")
    # The script that moves the focus is deferred: it runs some time after the summary is there.
    page.wait_for_selector(".error-summary:focus")
    assert page.title().startswith("Error")
    assert serious(page) == []
    page.screenshot(path=pictures / "new-patient-error.png", full_page=True)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the first link leads to the field
    page.wait_for_selector("#field-score_24h:focus")
    assert page.locator("#field-score_24h").input_value() == "340"
    page.locator("#field-score_24h").fill("34")
    page.keyboard.press("Enter")
    page.wait_for_selector("#probability")
    assert "walk-in" not in page.url
    held = page.locator("#notes-holding").inner_text()
    for title in (
        "Blood pressure over 140/90",
        "Bipolar disorder without a mood stabiliser",
    ):
        assert title in held
    assert "Late improvement is common: the figures are of courses" in page.locator(".monitoring").inner_text()
    assert "Outside what the model has seen" in page.locator(".estimate-section").inner_text()
    assert page.locator(".monitoring").bounding_box()["y"] < page.locator(".estimate-section").bounding_box()["y"]
    page.screenshot(path=pictures / "new-patient.png", full_page=True)
    # Much to watch and much unknown: still one page of paper.
    page.get_by_role("link", name="Summary to print").click()
    assert printed_pages(page) == 1


def test_the_summary_of_a_patient_in_whom_everything_is_to_be_watched_is_one_page_too(page, address, pictures):
    page.goto(f"{address}/new")
    for choice in page.locator("select").all():
        if "yes" in choice.locator("option").all_inner_texts():
            choice.select_option("yes")
    for field, value in {"diagnosis": "BD-I", "mood_stabilizer": "no", "substance_use": "current"}.items():
        page.locator(f"#field-{field}").select_option(value)
    numbers = {
        "course_id": "all-of-it",
        "score_baseline": "44",
        "score_24h": "44",
        "score_72h": "41",
        "age_years": "71",
        "systolic_mmhg": "180",
        "diastolic_mmhg": "110",
        "suicidality_item": "6",
        "suicide_attempts": "3",
        "benzodiazepine_mg_per_day": "40",
    }
    for field, value in numbers.items():
        page.locator(f"#field-{field}").fill(value)
    press(page, "Show what to watch, and the estimate")
    assert page.locator("#notes-holding li[data-rule]").count() >= 18
    page.get_by_role("link", name="Summary to print").click()
    assert printed_pages(page) == 1
    on_paper(page)
    page.screenshot(path=pictures / "summary-everything.png", full_page=True)
    all_that_holds_is_printed_with_its_words_and_sources(page)
    assert smallest_print(page) >= SMALLEST_POINTS


def test_axe_finds_nothing_serious_on_any_page(patient, address, pictures):
    page = patient
    own = page.url
    page.screenshot(path=pictures / "patient.png", full_page=True)
    for summary in page.locator("summary").all():
        summary.click()
    found = {"patient, all open": serious(page)}
    for path in (own.removeprefix(address) + "/summary", "/", "/courses", "/new", "/model"):
        page.goto(address + path)
        found[re.sub("[0-9a-f]{24}", "...", path)] = serious(page)
    assert not {path: problems for path, problems in found.items() if problems}


def test_axe_finds_nothing_serious_on_the_auditors_pages(browser, address):
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, address, "auditor")
    for path in ("/audit", "/audit/events", "/courses"):  # the last is another role's: refused
        page.goto(address + path)
        assert serious(page) == [], path
    context.close()


@pytest.mark.parametrize(("width", "height"), [(640, 450), (768, 1024), (320, 640)])
def test_at_200_percent_on_a_tablet_and_narrower_nothing_is_cut_off(patient, address, width, height, pictures):
    """Half of 1280 pixels is what a page has at 200%."""
    page = patient
    own = page.url
    page.set_viewport_size({"width": width, "height": height})
    for path in (own, f"{address}/courses", f"{address}/new", f"{own}/summary"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(own)
    page.screenshot(path=pictures / f"patient-{width}.png", full_page=True)


def test_nothing_comes_from_elsewhere(page, address):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    for path in ("/", "/courses", "/new", "/model"):
        page.goto(address + path)
    page.goto(f"{address}/courses")
    page.locator("tbody a").first.click()
    assert hosts == {address.removeprefix("http://")}


def test_less_motion_is_respected(browser, address, signed_in):
    context = browser.new_context(storage_state=signed_in, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{address}/courses")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
        " return s.animationName !== 'none' || parseFloat(s.transitionDuration) > 0 }).length"
    )
    assert moving == 0
    context.close()
