import pytest

from ketapredict.report.invented import invented_example
from ketapredict.tracking.rows import score_rows
from ketapredict.tracking.signature import model_signature


def test_the_example_is_accepted_and_scored(model):
    example = invented_example(model.bundle)
    table = score_rows(model, example)
    assert list(table["landmark"]) == ["24h", "pre"]
    assert table["probability"].between(0, 1).all()


def test_the_example_holds_no_course_of_the_training_data(model, frame):
    example = invented_example(model.bundle)
    assert set(example["course_id"]) == {"example-1", "example-2"}
    same = frame.merge(example, on=["age_years", "bmi_kg_m2", "score_baseline"])
    assert same.empty


# MLflow's own imports warn.
@pytest.mark.filterwarnings("ignore")
def test_numbers_are_doubles_and_only_the_required_is_required(model):
    signature = model_signature(model.bundle, score_rows(model, invented_example(model.bundle)))
    types = {column.name: column.type.name for column in signature.inputs}
    assert types["age_years"] == types["failed_trials"] == types["score_24h"] == "double"
    assert types["course_id"] == types["failed_ect"] == types["sex"] == "string"
    required = [column.name for column in signature.inputs if column.required]
    assert required == ["course_id", "diagnosis", "scale", "score_baseline"]
    assert [parameter.name for parameter in signature.params] == ["landmark"]
