"""Pictures: both are made, and the same twice."""

from ketapredict.simulate.plots import draw_all


def test_the_pictures_are_made_and_the_same_twice(tmp_path):
    first, again = draw_all(tmp_path / "a", 400), draw_all(tmp_path / "b", 400)
    assert [path.name for path in first] == ["simulation-classes.svg", "simulation-diagnosis.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
