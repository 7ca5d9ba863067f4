"""What is measured of signal and gradient: one row for each measure.

A measure is computed by the function of its name, which tells formula and source: in `run` from the
recorded losses, in `probes` from a few pictures. Loads neither torch nor numpy.
"""

from dataclasses import dataclass
from typing import Literal

from nas.training.metrics.run import THRESHOLDS

#: steps of training after which the probes are taken, besides the end: readings of one step are
#: compared with readings of the same step only, as gradient ratios turn over within ten steps
PROBE_STEPS = (0, 1, 10, 50)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One row: how a measure is named, printed and read.

    A direction of None means that neither more nor less of it is good. With by_block the value is
    a list, from input to output. A measure that is not default is taken on request only.
    """

    name: str
    label: str
    source: Literal["run", "probe"]
    unit: str = ""
    format: str = ".3g"
    direction: Literal["minimize", "maximize"] | None = None
    by_block: bool = False
    default: bool = True


RUN_MEASURES = (
    Measure(
        name="loss_area",
        label="mean training loss over all steps",
        source="run",
        unit="nats",
        format=".3f",
        direction="minimize",
    ),
    *(
        Measure(
            name=name,
            label=f"steps made to a training loss of {share:g} ln(classes)",
            source="run",
            unit="steps",
            format="d",
            direction="minimize",
        )
        for name, share in THRESHOLDS.items()
    ),
    Measure(
        name="started", label="training started", source="run", format="", direction="maximize"
    ),
    Measure(
        name="diverged", label="training diverged", source="run", format="", direction="minimize"
    ),
    Measure(
        name="generalisation_gap",
        label="validation error less training error",
        source="run",
        unit="share",
        format=".1%",
    ),
)

PROBE_MEASURES = (
    Measure(name="gradient_norm", label="gradient norm", source="probe", by_block=True),
    Measure(
        name="relative_gradient_norm",
        label="gradient norm over weight norm",
        source="probe",
        by_block=True,
    ),
    Measure(
        name="gradient_ratio", label="relative gradient norm, first over last block", source="probe"
    ),
    Measure(
        name="gradient_slope",
        label="slope of ln(relative gradient norm) towards the output",
        source="probe",
        unit="1/block",
    ),
    Measure(
        name="branch_response",
        label="variance of the branch over that of the shortcut's output",
        source="probe",
        by_block=True,
    ),
    Measure(
        name="channel_squared_mean",
        label="average channel squared mean of the block's output",
        source="probe",
        by_block=True,
    ),
    Measure(
        name="channel_variance",
        label="average channel variance of the block's output",
        source="probe",
        by_block=True,
    ),
    Measure(
        name="gradient_cosine",
        label="cosine of input gradients between neighbouring points",
        source="probe",
        format=".2f",
        direction="maximize",
    ),
    Measure(
        name="jacobian_norm", label="largest singular value of the output Jacobian", source="probe"
    ),
    Measure(
        name="jacobian_condition",
        label="condition number of the output Jacobian",
        source="probe",
        direction="minimize",
    ),
    Measure(
        name="hessian_eigenvalue",
        label="Hessian eigenvalue of largest magnitude",
        source="probe",
        default=False,
    ),
)

MEASURES = {measure.name: measure for measure in RUN_MEASURES + PROBE_MEASURES}
