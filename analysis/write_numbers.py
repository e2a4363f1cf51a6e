"""Every number that texts quote of the published results, written from datasets.

    python analysis/write_numbers.py            # print them
    python analysis/write_numbers.py --write    # put them into the marked blocks of the texts
    python analysis/write_numbers.py --check    # exit status 1 if a block says something else

Texts are README.md and analysis/README.md. (A module `numbers` here would hide that of the standard library.)
A block stands between the lines `<!-- numbers: NAME -->` and `<!-- end -->`, NAME being that of a figure; in
`<!-- numbers: deviations -->` stand the deviations of all sampled points. Exact datasets are taken from
`analysis/data` or computed; blocks of figures without their sampled datasets are left as they are.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence

import numpy as np
from make_all import NAMES, scripts
from paths import ANALYSIS
from published import Datasets, Script, collect, deviation, of_first, tables
from scipy import stats

TEXTS = (ANALYSIS / "README.md", ANALYSIS.parent / "README.md")
BLOCK = re.compile(r"(<!-- numbers: (\w+) -->\n).*?(<!-- end -->)", re.S)


def block(script: Script, datasets: Datasets) -> str:
    """Sentences and table of one figure in Markdown."""
    sentences = [f"- {sentence}" for sentence in script.numbers(datasets)]
    folded = [
        "",
        "<details><summary>Sampled against exact</summary>",
        *tables(script, datasets),
        "",
        "</details>",
    ]
    if not script.sampled:
        folded = []
    return "\n".join([*sentences, *folded]) + "\n"


def scores(script: Script, datasets: Datasets) -> np.ndarray:
    """Deviations of all sampled numbers of a figure, in standard errors."""
    points = [of_first(datasets[stem]) for stem in script.sampled if stem in datasets]
    z = [deviation(one, name).values.ravel() for one in points for name in script.compared]
    values = np.concatenate([np.zeros(0), *z])
    return values[np.isfinite(values)]


def deviations(all_scores: Mapping[str, np.ndarray]) -> str:
    """How the sampled numbers of every figure deviate from exact ones, in Markdown."""
    rows = [
        "| figure | sampled numbers | root mean square z | largest \\|z\\| | expected largest |",
        "| --- " * 5 + "|",
    ]
    everything = np.concatenate([np.zeros(0), *all_scores.values()])
    for name, z in [*all_scores.items(), ("all", everything)]:
        if len(z):
            usual = stats.norm.isf(0.5 * (1 - 0.5 ** (1 / len(z))))  # its median
            cells = [name, len(z), f"{np.sqrt(np.mean(z**2)):.2f}", f"{np.abs(z).max():.1f}", f"{usual:.1f}"]
            rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"


def blocks(names: Sequence[str] = NAMES) -> dict[str, str]:
    """Text of every block that can be written."""
    found, every = {}, {}
    for name, script in scripts(names).items():
        datasets = collect(script)
        if all(stem in datasets for stem in script.sampled):
            found[name] = block(script, datasets)
            every[name] = scores(script, datasets)
    if len(every) == len(NAMES):
        found["deviations"] = deviations(every)
    return found


def filled(text: str, found: Mapping[str, str]) -> str:
    """The text with its blocks replaced."""
    return BLOCK.sub(
        lambda match: match[1] + found[match[2]] + match[3] if match[2] in found else match[0], text
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print, write or check."""
    parser = argparse.ArgumentParser(description="Numbers that texts quote.")
    parser.add_argument("--write", action="store_true", help="replace the marked blocks")
    parser.add_argument("--check", action="store_true", help="compare with the marked blocks")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="these figures"
    )
    given = parser.parse_args(argv)
    found, stale = blocks(given.only), 0
    if not (given.write or given.check):
        print("\n".join(f"## {name}\n\n{text}" for name, text in found.items()))
    for path in TEXTS:
        before = path.read_text(encoding="utf-8")
        after = filled(before, found)
        if given.write and after != before:
            path.write_text(after, encoding="utf-8")
        if given.check and after != before:
            print(f"{path.name}: numbers are stale; python analysis/write_numbers.py --write")
            stale = 1
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
