def test_the_first_page_says_what_the_model_was_trained_on(free_client):
    page = free_client.get("/")
    assert page.status_code == 200
    assert page.text.index("SIMULATED") < page.text.index("<main")
    assert 'href="/courses"' in page.text


def test_only_the_rest_interface_is_described_and_by_no_page_of_its_own(free_client):
    paths = free_client.get("/api/v1/openapi.json").json()["paths"]
    assert all(path.startswith("/api/v1/") for path in paths)
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert free_client.get(path).status_code == 404
