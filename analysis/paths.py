"""Where the analysis finds its style and leaves its figures."""

from __future__ import annotations

from pathlib import Path

ANALYSIS = Path(__file__).resolve().parent
STYLE = ANALYSIS / "langevin.mplstyle"
FIGURES = ANALYSIS / "figures"
