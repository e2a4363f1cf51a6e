"""Where the analysis finds its style and leaves its datasets and figures."""

from __future__ import annotations

from pathlib import Path

ANALYSIS = Path(__file__).resolve().parent
STYLE = ANALYSIS.parent / "langevin_qtm" / "inspection" / "langevin.mplstyle"
FIGURES = ANALYSIS / "figures"
DATA = ANALYSIS / "data"
