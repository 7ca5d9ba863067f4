"""A surrogate of the error over depth and shortcut, or why none is shown."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from nas import statistics as st
from nas.report.document import Drawing, Section, Text
from nas.report.heatmaps import error_heatmap
from nas.report.observational import fittable, surface
from nas.report.style import (
    plain,
    signed,
)
from nas.report.trial_rows import Row
from nas.statistics import Surface


def surface_section(rows: Sequence[Row]) -> Section:
    """The surrogate of depth and shortcut, or why none is shown."""
    found = surface(rows)
    name, title = "surface", "Does a model of depth and shortcut predict the error?"
    if found is None:
        return Section(name, title)
    if found.errors is None:
        return Section(name, title, [Text(_no_surface(found, rows), role="note")])
    caption = (
        f"Random forest on {_fitted(found, rows)}; cross-validated R² = {found.r2:.2f}. Averaged "
        "over the other choices of these candidates; n: candidates behind a cell, blank where "
        "there is none. Observational."
    )
    drawn = _surface_map(found)
    return Section(name, title, [Drawing("surface", "Predicted validation error", drawn, caption)])


def _fitted(found: st.Surface, rows: Sequence[Row]) -> str:
    """The candidates a forest was fitted to."""
    count = len(fittable(rows))
    selected = f" (an even selection of {count:,})" if count > found.n else ""
    return f"{found.n} candidates{selected}"


def _no_surface(found: st.Surface, rows: Sequence[Row]) -> str:
    """Why no surface is shown."""
    if found.r2 is None:
        return (
            f"No surface is shown: {found.n} candidates trained to their end are too few, or all "
            "have the same error."
        )
    return (
        "No surface is shown: a random forest of depth, shortcut and the other choices has a "
        f"cross-validated R² of {signed(found.r2, 2)} on {_fitted(found, rows)}, below "
        f"{st.SMALLEST_R2:g}, so its map would say more about the model than about the networks."
    )


def _surface_map(surface: Surface) -> go.Figure:
    """The predicted error over depth and shortcut, where there are rows."""
    assert surface.errors is not None
    errors = [[None if np.isnan(e) else float(e) for e in line] for line in surface.errors]
    counts = [[int(n) for n in line] for line in surface.counts]
    return error_heatmap(
        errors, counts, [str(d) for d in surface.depths], [plain(s) for s in surface.shortcuts]
    )
