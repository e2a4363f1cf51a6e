"""How figures are kept: PDF for print, PNG with few colors for the screen."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

PNG_COLORS = 256


def save(figure: Figure, folder: Path, name: str, dpi: float | str = "figure") -> None:
    """Write `name`.pdf and `name`.png into a folder, which is made if need be.

    Parameters
    ----------
    figure : Figure
    folder : Path
    name : str
        Of the files, without suffix.
    dpi : float or "figure"
        Resolution of what the PDF holds as pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", dpi=dpi, metadata={"CreationDate": None})
    image = io.BytesIO()
    figure.savefig(image, format="png")
    few = (
        Image.open(image)
        .convert("RGB")
        .quantize(PNG_COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    )
    few.save(folder / f"{name}.png", optimize=True)
