import json
import shutil

import numpy as np
import pytest

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.errors import FileError, ModelError
from ketapredict.fitting import fit_response_model
from ketapredict.response_model import ResponseModel


def test_save_and_load_lose_nothing(short_model, short_cohort, tmp_path):
    short_model.save(tmp_path / "model")
    loaded = ResponseModel.load(tmp_path / "model")
    assert loaded.sha256 == short_model.sha256
    expected, found = short_model.predict(short_cohort), loaded.predict(short_cohort)
    np.testing.assert_array_equal(found["probability"], expected["probability"])
    loaded.save(tmp_path / "again")
    for file in (tmp_path / "model").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_the_same_data_and_seed_give_the_same_bytes_and_another_seed_does_not(short_cohort, short_model):
    assert fit_response_model(short_cohort, seed=3)[0].sha256 == short_model.sha256
    assert fit_response_model(short_cohort, seed=4)[0].sha256 != short_model.sha256


def test_no_value_of_a_single_patient_is_in_the_bundle(short_cohort, tmp_path):
    table = short_cohort.table.copy()
    table.loc[7, "bmi_kg_m2"] = 27.84319
    table.loc[7, "age_years"] = 51.7713
    table["site"] = "Unmistakable Clinic"
    from dataclasses import replace

    fit_response_model(replace(short_cohort, courses=CourseColumns.of_table(table)))[0].save(tmp_path / "model")
    content = b"".join(file.read_bytes() for file in (tmp_path / "model").iterdir())
    narrow = [np.float32(27.84319).tobytes(), np.float32(27.84319).tobytes()[::-1], np.float32(51.7713).tobytes()]
    for secret in (b"27.843", b"51.771", b"Unmistakable", b"simulated-0", *narrow):
        assert secret not in content


def test_thresholds_of_the_trees_lie_on_the_grid_of_their_features(short_model):
    for model in short_model.bundle.landmarks:
        if model.tables is None:
            continue
        resolution = {feature.name: feature.resolution for feature in model.features}
        for name, thresholds in zip(model.tree_features, model.tables.thresholds, strict=True):
            steps = thresholds.astype(float) / resolution[name]
            np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)


def test_a_damaged_or_foreign_folder_is_refused_in_one_sentence(short_model, tmp_path):
    folder = tmp_path / "model"
    with pytest.raises(ModelError, match="found none"):
        ResponseModel.load(folder)
    short_model.save(folder)
    content = json.loads((folder / "model.json").read_text())
    for change, message in (
        ({"format_version": 99}, "format version 2, found 99"),
        # A model of before the bands is trained again, as the message says: nothing guesses them.
        ({"format_version": 1}, "format version 2, found 1. Train the model again"),
        ({"format": "other"}, "not a ketapredict model"),
        ({"landmarks": [{}]}, "checksum"),
        ({"outcome": "remission"}, "checksum"),
    ):
        (folder / "model.json").write_text(json.dumps(content | change))
        with pytest.raises(ModelError, match=message):
            ResponseModel.load(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(ModelError, match="expected JSON"):
        ResponseModel.load(folder)
    short_model.save(folder)
    trees = next(folder.glob("*.ubj"))
    trees.write_bytes(trees.read_bytes()[:-9])
    with pytest.raises(ModelError, match="missing or damaged"):
        ResponseModel.load(folder)


def test_saving_never_replaces_anything_but_a_model(short_model, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(FileError, match="found other files"):
        short_model.save(tmp_path / "thesis")
    short_model.save(tmp_path / "model")
    short_model.save(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "thesis"]
    shutil.rmtree(tmp_path / "model")
