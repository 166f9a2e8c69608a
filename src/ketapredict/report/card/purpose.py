"""What a model is for and not for, what it is made from, and what must be known first."""

from ketapredict.explain.words import moment_words, percent
from ketapredict.model.bundle import MARKS
from ketapredict.report.card.facts import CardFacts, interval
from ketapredict.report.card.page import Block, Points, Section, Table, Text
from ketapredict.report.words import OUTCOME_WORDS
from ketapredict.validate.coupling import SUSPICION
from ketapredict.validate.cross_validation import BASELINE_ONLY, EARLY_ONLY, MODEL, PREVALENCE
from ketapredict.validate.study import FULL


def summary(facts: CardFacts) -> Section:
    """The figures on one screen, warnings first."""
    bundle = facts.model.bundle
    warnings = [warning for study in facts.studies for warning in study.warnings]
    warnings.sort(key=lambda warning: SUSPICION not in warning)
    rows = []
    for model, study in facts.by_landmark:
        measures = study.validation.measures[MODEL]
        found = {name: interval(m.estimate, m.low, m.high) for name, m in measures.items()}
        differences = study.validation.differences
        against = differences[PREVALENCE]["log_loss"]
        alone = differences.get(EARLY_ONLY, differences.get(BASELINE_ONLY, {})).get("log_loss")
        rows.append(
            [
                f"{model.landmark} ({moment_words(model.landmark)})",
                str(study.validation.courses),
                f"{study.validation.events} ({percent(study.validation.events / study.validation.courses)})",
                found["auc"],
                interval(against.estimate, against.low, against.high, 3),
                interval(alone.estimate, alone.low, alone.high, 3) if alone else "–",
                found.get("calibration_intercept", "too few events"),
                found.get("calibration_slope", "too few events"),
            ]
        )
    header = ["landmark", "courses", "events", "AUC", "log-loss less the prevalence's"]
    header += ["less that of early improvement alone (at `pre`: of the baseline alone)", "calibration in the large"]
    few = not facts.updates and (facts.effort.refits < FULL.refits or facts.effort.repeats < FULL.repeats)
    quick = " FEWER RESAMPLES than the full run: figures and stability are rougher." if few else ""
    if bundle.provenance.get("weights") == "completion":
        quick += " Fitted with weights for completion, made again inside each fold; the figures are not weighted."
    untrained = [model.landmark for model in bundle.landmarks if model.from_evidence]
    if untrained:
        warnings.insert(
            0,
            f"NOT VALIDATED HERE at {', '.join(untrained)}: the evidence model, fitted to no patient's outcome but, at "
            "most, the rate. Nothing on this page says how well it predicts in your clinic.",
        )
    if not facts.studies:
        said = f"Version `{facts.model.version}` of `{bundle.name}`; SHA-256 of the model `{facts.model.sha256}`."
        return Section("summary", "In short", [Points(warnings, warning=True), Text(said)])
    blocks: list[Block] = [
        Points(warnings, warning=True) if warnings else Text("No warning was raised by the checks of this page."),
        Table("Out-of-fold performance with 95% intervals over patients", [*header, "calibration slope"], rows),
        Text(
            f"Resampling: {facts.effort.words}.{quick} Perfect values: AUC 1 (0.5 is chance), log-loss difference "
            "under 0 (better than giving everybody the overall rate), calibration in the large 0, slope 1. Each "
            "figure is the mean over the repeats of what one repeat gives; intervals hold the predictions and resample "
            "patients."
        ),
        *(
            [Points([f"Not {'updated' if facts.updates else 'fitted'}: {reason}" for reason in facts.refused.values()])]
            if facts.refused
            else []
        ),
        Text(f"Version `{facts.model.version}` of `{bundle.name}`; SHA-256 of the model `{facts.model.sha256}`."),
    ]
    return Section("summary", "In short", blocks)


def purpose(facts: CardFacts) -> Section:
    """Use, users, limits."""
    bundle = facts.model.bundle
    outcome = f"{bundle.outcome} ({OUTCOME_WORDS[bundle.outcome]})"
    landmarks = ", ".join(f"{name} ({moment_words(name)})" for name in facts.model.landmarks)
    provenance = bundle.provenance
    ketamine = bundle.protocol.gives_ketamine
    diagnoses = sorted(facts.cohort.table["diagnosis"].astype(str).unique())
    rows = [
        ["Predicts", f"the probability of {outcome} at {moment_words(bundle.protocol.outcome)}"],
        ["Treatment", bundle.protocol.treatment_words],
        ["Population", f"diagnoses: {', '.join(diagnoses)}; how patients were chosen is not known to the program"],
        ["Protocol", f"`{bundle.protocol.name}`; predictions at {landmarks}"],
        ["Scales", ", ".join(bundle.scales)],
        ["Weights", "for completion" if provenance.get("weights") == "completion" else "none"],
        ["Arms", "all arms, the arm is a feature" if bundle.with_arm else "active treatment only"],
        ["Made for", "research by data scientists, clinicians and trial statisticians who can read this page"],
        ["Trained on", {"real": "REAL courses"}.get(bundle.trained_on, MARKS[bundle.trained_on])],
        ["Training data", f"SHA-256 `{provenance['data_sha256']}`"],
        ["Seed", str(provenance["seed"])],
        ["Versions", ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())],
    ]
    blocks: list[Block] = [
        Table("What it is", ["", ""], rows),
        Points(
            [
                "It supports a judgement and never makes one. It is research software, not a medical device.",
                "It is not for deciding to stop or withhold treatment, not for watching a patient less closely, and "
                "not a measure of the risk of suicide.",
                "It says nothing about what treatment causes: it estimates who, among patients like those it was "
                "trained on and treated like them, reaches the outcome.",
                "It has not been tested on patients of another place unless a page of `ketapredict evaluate` says so.",
                *(["Before infusion 3 a low probability is weak evidence: many improve later."] if ketamine else []),
            ]
        ),
        *([Points([f"{notice}." for notice in provenance["notices"]])] if provenance["notices"] else []),
    ]
    return Section("purpose", "What it is for, and what not", blocks)
