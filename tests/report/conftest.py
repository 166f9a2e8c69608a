"""A small model with its study, made once."""

from collections.abc import Callable

import pytest
from tests.validate.conftest import quick_committee

from ketapredict.cohort.cohort import Cohort
from ketapredict.fitting import fit_response_model
from ketapredict.model.fit import training_data
from ketapredict.progress import Stopwatch
from ketapredict.report.card.facts import CardFacts
from ketapredict.validate import fits
from ketapredict.validate.study import Effort, study_landmark

EFFORT = Effort(repeats=1, refits=4, curve_repeats=1)


@pytest.fixture(scope="session")
def studied() -> Callable[[Cohort], CardFacts]:
    """Fit and study a cohort with few resamples."""

    def make(cohort: Cohort, effort: Effort = EFFORT) -> CardFacts:
        model, refused = fit_response_model(cohort, seed=3)
        studies = []
        for position, landmark in enumerate(model.bundle.landmarks):
            data = training_data(cohort, landmark.landmark, "response")
            seeds = (3, position)
            timed = Stopwatch().timed
            studies.append(study_landmark(cohort, data, landmark, "response", effort, seeds, timed=timed))
        return CardFacts(model, cohort, tuple(studies), effort, refused)

    return make


@pytest.fixture(scope="session")
def facts(studied, short_cohort) -> CardFacts:
    """The facts of a model of 150 simulated courses, the refits of its study those of a quick stand-in.

    What is tested on them is what the card makes of figures, not the figures.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fits, "fit_committee", quick_committee)
        patched.setattr("joblib.cpu_count", lambda: 1)
        return studied(short_cohort)
