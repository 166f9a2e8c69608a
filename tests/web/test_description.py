"""The interface does what its OpenAPI description says, whatever is sent (schemathesis)."""

import os
import warnings
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from ketapredict.web.app import create_app
from ketapredict.web.settings import Settings, SignIn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import schemathesis
        from schemathesis import GenerationMode
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("no schemathesis: make extras", allow_module_level=True)

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


def named_localhost(app):
    """The client calls it `testserver`; a server without sign-in goes by the names of this machine alone."""

    async def named(scope, receive, send):
        if scope["type"] == "http":
            headers = [(name, b"localhost" if name == b"host" else value) for name, value in scope["headers"]]
            scope = scope | {"headers": headers}
        await app(scope, receive, send)

    return named


@pytest.fixture(scope="module")
def described(served, tmp_path_factory):
    """The description of a server that asks for nobody."""
    folder = tmp_path_factory.mktemp("described")
    own = Settings(database=f"sqlite:///{folder}/web.db", key_file=folder / "web.key")
    app = create_app(replace(own, sign_in=SignIn.NONE, max_courses=5), served)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", named_localhost(app))
    app.state.server.database.close()


def answers(
    operation, examples: int, mode=GenerationMode.POSITIVE, complete: dict[str, object] | None = None
) -> set[int]:
    """Send generated requests, hold the answers against the description, and return their statuses."""
    answered = set()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case):
        for number, course in enumerate(case.body["courses"] if complete else ()):
            course.update(complete, course_id=f"c{number}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries that the client uses
            answer = case.call_and_validate(checks=[getattr(schemathesis.checks, name) for name in CHECKS])
        answered.add(answer.status_code)

    check()
    return answered


@pytest.mark.parametrize("path", ["schema", "model", "health", "ready"])
def test_what_is_told_is_what_is_described(described, path):
    assert answers(described[f"/api/v1/{path}"]["GET"], 5) == {200}


def test_predictions_of_whatever_fits_the_description(described):
    predict = described["/api/v1/predict"]["POST"]
    assert answers(predict, 40) <= {200, 422}
    required = {"diagnosis": "MDD", "scale": "MADRS", "score_baseline": 30, "score_24h": 12}
    assert answers(predict, 40, complete=required) == {200, 422}


def test_refusals_of_whatever_does_not_fit(described):
    assert answers(described["/api/v1/predict"]["POST"], 40, GenerationMode.NEGATIVE) <= {400, 413, 422}


def test_every_route_is_described(described):
    assert {operation.ok().label for operation in described.get_all_operations()} == {
        "POST /api/v1/predict",
        "GET /api/v1/schema",
        "GET /api/v1/model",
        "GET /api/v1/health",
        "GET /api/v1/ready",
    }
