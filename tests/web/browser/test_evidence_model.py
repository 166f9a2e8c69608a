"""The evidence model, the one with the longest mark: what a list of its courses shows without scrolling."""

import pytest
from tests.web.browser.conftest import running

from ketapredict.response_model import ResponseModel
from ketapredict.web.app import create_app
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings, SignIn


@pytest.fixture(scope="module")
def evidence_address(browser, simulated, tmp_path_factory):
    """A server of the package's evidence model with simulated courses."""
    folder = tmp_path_factory.mktemp("evidence")
    settings = Settings(database=f"sqlite:///{folder}/e.db", key_file=folder / "e.key", sign_in=SignIn.NONE)
    served = Served(ResponseModel.load("evidence/induction-course"), simulated(30))
    with running(create_app(settings, served)) as found:
        yield found


@pytest.mark.parametrize("width", [1280, 1024])
def test_every_column_of_the_list_lies_inside_its_box(browser, evidence_address, pictures, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{evidence_address}/courses")
    assert "scope" in page.locator("thead th").all_inner_texts()
    box = page.locator(".scroll").bounding_box()
    for cell in page.locator("table.courses th, table.courses td").all():
        found = cell.bounding_box()
        assert found["x"] + found["width"] <= box["x"] + box["width"] + 1
    assert page.locator("table.courses caption .mark").is_visible()
    page.screenshot(path=pictures / f"list-of-the-evidence-model-{width}.png")
    page.close()
