"""The auditor's pages and the page to sign in, in a browser: read, filtered by keyboard, exported."""

import pytest
from tests.web.browser.conftest import sign_in

pytestmark = pytest.mark.slow


def test_an_auditor_signs_in_reads_and_filters_by_keyboard(browser, address, pictures):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    sign_in(page, address, "auditor", "a wrong password")
    assert "Name or password is wrong." in page.get_by_role("alert").inner_text()
    page.screenshot(path=pictures / "sign-in.png")
    sign_in(page, address, "auditor")
    page.goto(f"{address}/audit/events")
    assert "wrong name or password" in page.get_by_role("table").inner_text()
    page.get_by_label("User").fill("auditor")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url == f"{address}/audit/events/filter"
    assert "signed in" in page.get_by_role("table").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "ketapredict-events.csv"
    page.goto(f"{address}/audit")
    page.screenshot(path=pictures / "audit.png", full_page=True)
    context.close()
