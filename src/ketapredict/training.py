"""The whole of `train`: from a cohort to a validated, tracked, registered response model."""

from dataclasses import dataclass
from pathlib import Path

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.fitting import fit_response_model
from ketapredict.model.fit import training_data
from ketapredict.model.prior import NO_PRIOR, OWN_PRIOR, chosen_prior
from ketapredict.progress import Stopwatch, progress_bar
from ketapredict.release import Parameters, release, with_verdicts
from ketapredict.report.card.facts import CardFacts
from ketapredict.report.folder import CARD
from ketapredict.response_model import ResponseModel
from ketapredict.tracking.runs import LoggedRun
from ketapredict.tracking.store import open_store
from ketapredict.validate.cross_validation import LandmarkValidation
from ketapredict.validate.study import FULL, Effort, LandmarkStudy, number_of_fits, study_landmark
from ketapredict.whole_files import make_folder


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training run made.

    Attributes
    ----------
    model : ResponseModel
    studies : tuple of LandmarkStudy
        What was found about each landmark.
    refused : dict of str to str
        The reason for each landmark that could not be fitted.
    folder : Path
        Holds `model/` (the bundle), `report/` (card, tables and pictures) and, if rows were rejected,
        `rejects.csv`.
    run : LoggedRun
    stopwatch : Stopwatch
        Where the time went.
    """

    model: ResponseModel
    studies: tuple[LandmarkStudy, ...]
    refused: dict[str, str]
    folder: Path
    run: LoggedRun
    stopwatch: Stopwatch

    @property
    def validations(self) -> tuple[LandmarkValidation, ...]:
        """The cross-validation of each landmark."""
        return tuple(study.validation for study in self.studies)

    @property
    def card(self) -> Path:
        """The model card to open in a browser."""
        return self.folder / "report" / f"{CARD}.html"


def train(
    cohort: Cohort,
    *,
    outcome: Outcome = "response",
    seed: int = 0,
    all_arms: bool = False,
    weighted: bool = False,
    prior: str | Path = OWN_PRIOR,
    effort: Effort = FULL,
    output: str | Path | None = None,
    show_progress: bool = False,
) -> TrainingResult:
    """Fit, cross-validate, refit, explain, write the model card, log and register a response model.

    Parameters
    ----------
    cohort : Cohort
    outcome : {"response", "remission"}
    seed : int
        Not negative. The same cohort, seed and effort give the same bundle, byte for byte; another effort changes no
        estimate, only what the bundle says of its cross-validation.
    all_arms : bool
        Whether control courses are trained on as well; the arm then is a feature.
    weighted : bool
        Whether courses count by the inverse of their probability of having an outcome; the card shows what this
        changes.
    prior : str or Path
        `evidence`: start from the package's prior; `none`: from nothing; or the file of another prior.
    effort : Effort
        How much resampling: `FULL`, `QUICK` or one's own.
    output : path or None
        Folder for the results; by default one named after protocol and outcome, in the current folder.
    show_progress : bool

    Returns
    -------
    TrainingResult

    Raises
    ------
    TrainingError
        If no landmark has enough courses, or the prior was derived from these.
    FileError
        If the folder cannot be written, or the prior cannot be read.
    """
    with open_store():
        pass  # an unusable store is better found before the work than after it
    watch = Stopwatch()
    with watch.timed("fit"):
        model, refused = fit_response_model(
            cohort, outcome=outcome, seed=seed, all_arms=all_arms, weighted=weighted, prior=prior
        )
    evidence = chosen_prior(prior, outcome)
    folder = Path(output) if output is not None else Path(model.bundle.name)
    make_folder(folder)
    courses = cohort if all_arms else cohort.subset(cohort.active)
    studies: list[LandmarkStudy] = []
    fitted = [(k, landmark) for k, landmark in enumerate(model.bundle.landmarks) if not landmark.from_evidence]
    n_sites = courses.table["site"].nunique()
    total = len(fitted) * number_of_fits(effort, n_sites, with_prior=evidence is not None)
    with progress_bar("resampling", total, shown=show_progress) as progress:
        for position, landmark in fitted:
            data = training_data(
                courses, landmark.landmark, outcome, with_arm=all_arms, weighted=weighted, evidence=evidence
            )
            seeds = (seed, position)
            studies.append(
                study_landmark(
                    courses,
                    data,
                    landmark,
                    outcome,
                    effort,
                    seeds,
                    with_arm=all_arms,
                    progress=progress,
                    timed=watch.timed,
                )
            )
    model = with_verdicts(model, studies)
    facts = CardFacts(model, courses, tuple(studies), effort, refused, evidence=evidence)
    parameters: Parameters = {
        "protocol": cohort.protocol.name,
        "outcome": outcome,
        "seed": seed,
        "arms": "all" if all_arms else "active",
        "weights": "completion" if weighted else "none",
        "prior": evidence.sha256 if evidence is not None else NO_PRIOR,
        "repeats": effort.repeats,
        "refits": effort.refits,
        "landmarks": ", ".join(model.landmarks),
    }
    run = release(facts, cohort, folder, parameters, {}, watch.timed)
    return TrainingResult(model, tuple(studies), refused, folder, run, watch)
