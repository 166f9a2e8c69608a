"""Pictures of a validation: grouped calibration of out-of-fold predictions."""

from pathlib import Path

import numpy as np

from ketapredict.validate.cross_validation import MODEL, LandmarkValidation
from ketapredict.validate.thresholds import wilson_interval

GROUPS = 5


def calibration_groups(labels: np.ndarray, predictions: np.ndarray) -> list[tuple[float, float, float, float, int]]:
    """Group courses by predicted probability and compare it with what was observed.

    Parameters
    ----------
    labels, predictions : numpy.ndarray
        (n,).

    Returns
    -------
    list of (float, float, float, float, int)
        For each of up to five groups of equal size: mean prediction, observed share, its Wilson 95%
        interval, number of courses.
    """
    groups = []
    for rows in np.array_split(np.argsort(predictions, kind="stable"), GROUPS):
        if not len(rows):
            continue
        n, share = len(rows), float(labels[rows].mean())
        groups.append((float(predictions[rows].mean()), share, *wilson_interval(int(labels[rows].sum()), n), n))
    return groups


def draw_calibration(validation: LandmarkValidation, statement: str, path: Path) -> None:
    """Draw the calibration of the model's out-of-fold predictions to a file (format by its ending)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = calibration_groups(validation.labels, validation.predictions[MODEL])
    figure = Figure(figsize=(5.2, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#888", linestyle="--", label="perfect")
    for mean, share, low, high, n in groups:
        axes.plot([mean, mean], [low, high], color="#1f4e79")
        axes.plot(mean, share, "o", color="#1f4e79")
        axes.annotate(f"n={n}", (mean, share), xytext=(6, -10), textcoords="offset points", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability (out of fold)", ylabel="observed share")
    axes.set_aspect("equal")
    axes.set_title(
        f"{statement.split('.')[0]}.\nCalibration at {validation.landmark}, fifths with 95% intervals", fontsize=9
    )
    figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else None)
