"""The form's schema, and what the model is."""

from dataclasses import asdict

from fastapi import APIRouter

from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.protocols import protocol_to_plain
from ketapredict.cohort.scales import SCALES
from ketapredict.explain.words import concept_label, moment_words
from ketapredict.monitoring import open_questions
from ketapredict.web.api.forms import (
    BandFacts,
    ColumnFacts,
    LandmarkFacts,
    ModelFacts,
    QuestionFacts,
    ScaleFacts,
    Schema,
)
from ketapredict.web.api.machine_user import MachineUser
from ketapredict.web.api.predict import model_name
from ketapredict.web.state import State

router = APIRouter()


@router.get("/schema")
def schema(state: State, _: MachineUser) -> Schema:
    """Tell what a course may hold: from the same declarations as validation and form."""
    bundle = state.served.model.bundle
    read = {
        model.landmark: {name for feature in model.features for name in feature.columns} for model in bundle.landmarks
    }
    shared = ("name", "kind", "label", "concept", "known_at", "unit", "minimum", "maximum", "required")
    columns = [
        ColumnFacts(
            **{name: value for name, value in asdict(column).items() if name in shared},
            levels=list(bundle.scales if column.name == "scale" else column.levels),
            concept_label=concept_label(column.concept),
            expectation=column.expectation,
            read_at=[landmark for landmark, names in read.items() if column.name in names],
        )
        for column in declared_columns(bundle.protocol, bundle.extras).values()
    ]
    scales = [
        ScaleFacts(name=name, maximum=SCALES[name].maximum, suicidality_item_maximum=SCALES[name].suicidality_maximum)
        for name in bundle.scales
    ]
    questions = [
        QuestionFacts(name=question.name, label=question.label, expectation=question.expectation)
        for question in open_questions(bundle.protocol, bundle.extras)
    ]
    return Schema(
        columns=columns,
        questions=questions,
        scales=scales,
        landmarks=list(state.served.model.landmarks),
        most_courses=state.settings.max_courses,
    )


@router.get("/model")
def facts(state: State, _: MachineUser) -> ModelFacts:
    """Tell what the model is: what it was trained on, its protocol, its landmarks, its provenance."""
    model = state.served.model
    bundle = model.bundle
    return ModelFacts(
        **model_name(model).model_dump(),
        statement=bundle.statement,
        outcome=bundle.outcome,
        outcome_at=moment_words(bundle.protocol.outcome),
        protocol=protocol_to_plain(bundle.protocol),
        scales=list(bundle.scales),
        with_arm=bundle.with_arm,
        landmarks=[
            LandmarkFacts(
                landmark=landmark.landmark,
                moment=moment_words(landmark.landmark),
                courses=landmark.courses,
                patients=landmark.patients,
                events=landmark.events,
                event_rate=landmark.event_rate,
                updated_with_courses=landmark.updated.courses if landmark.updated else None,
            )
            for landmark in bundle.landmarks
        ],
        bands=[BandFacts(**asdict(band)) for band in bundle.bands],
        provenance=bundle.provenance,
    )
