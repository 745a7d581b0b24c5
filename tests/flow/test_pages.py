"""What docs/flow_figures.md and docs/flow_grid.md show is what their tools find."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from matplotlib.image import imread

import tinygrad_edu as te
from tools import flow_figures, flow_grid
from tools.flow_figures import ROWS, Row, measured, part
from tools.flow_grid import (
    ACTIVATIONS,
    BAR,
    DEPTHS,
    GRID,
    INITS,
    MORE,
    WIDTHS,
    Cell,
    Found,
    again,
    compare,
    reason,
    simulated,
    told,
)
from tools.png import FOLDER

FIGURES = flow_figures.PAGE.read_text(encoding="utf-8")
PAGE = flow_grid.PAGE.read_text(encoding="utf-8")
thorough = pytest.mark.thorough


def tables(text: str) -> list[list[list[str]]]:
    """Cells of each table, without the line below the heading."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("| --- "):
            continue
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif found[-1]:
            found.append([])
    return [each for each in found if each]


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


# ---- the figures ----


def without_measured(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("| measured")]


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=thorough if row.name == "critical" else ()) for row in ROWS],
    ids=lambda row: row.name,
)
def test_the_page_has_every_figure(row: Row) -> None:
    shown = section(FIGURES, row.title)
    # All of the section but what is measured is written from the row without simulating.
    now = part(row, np.zeros((row.networks, len(row.cases)))).split("\n", 1)[1]
    assert without_measured(shown.strip()) == without_measured(now.strip())
    assert f"python -m tools.flow_figures {row.name}`" in FIGURES
    assert f"(#{flow_figures.anchor(row.title)})" in FIGURES


@pytest.mark.parametrize(
    "row",
    [row if row.name in ("rnn", "tenth") else pytest.param(row, marks=thorough) for row in ROWS],
    ids=lambda row: row.name,
)
def test_what_is_measured_is_on_the_page(row: Row) -> None:
    lines = {line[0]: line[1:] for line in tables(section(FIGURES, row.title))[0]}
    shown = np.array([[float(n) for n in cell.split(" ± ")] for cell in lines["measured here"]])
    found = measured(row)
    # Another order of a sum may round the last digit another way.
    digit = 1.01 * 10.0 ** -int(row.form.strip("+.f"))
    assert shown[:, 0] == pytest.approx(np.mean(found, axis=0), abs=digit)
    assert shown[:, 1] == pytest.approx(np.std(found, axis=0, ddof=1), abs=digit)


def test_one_row_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    flow_figures.main(["rnn"])
    assert capsys.readouterr().out.startswith("## An RNN through time\n")
    with pytest.raises(SystemExit, match="tenth"):
        flow_figures.main(["lstm"])


# ---- the grid ----


def shares(width: int) -> dict[Cell, float]:
    heading, *rows = tables(section(PAGE, f"Width {width}"))[0]
    columns = [name.split() for name in heading[1:]]
    return {
        Cell(row[0], init, int(depth), width): float(share.strip("*"))
        for row in rows
        for (init, depth), share in zip(columns, row[1:], strict=True)
    }


def test_the_grid_is_whole_and_at_the_bar() -> None:
    assert (len(ACTIVATIONS), len(INITS), DEPTHS, WIDTHS) == (8, 4, (5, 20, 50), (64, 256))
    shown = {width: shares(width) for width in WIDTHS}
    assert {cell for each in shown.values() for cell in each} == set(GRID)
    (totals, weak) = (tables(PAGE)[0], tables(section(PAGE, "Where it is below 95%"))[0])
    for width, line in zip(WIDTHS, totals[1:], strict=True):
        share = float(line[1].split("%")[0]) / 100
        # The cells are rounded down to two digits.
        assert np.mean(list(shown[width].values())) == pytest.approx(share - 0.005, abs=0.002)
        assert share >= BAR
    below = {str(cell) for each in shown.values() for cell, share in each.items() if share < BAR}
    assert below == {line[0] for line in weak[1:]}


def test_only_gelu_and_swish_with_he_fail_for_a_reason() -> None:
    """All other cells below the bar are so by chance, as 200 other networks show."""
    for name, _, others, *_, why in tables(section(PAGE, "Where it is below 95%"))[0][1:]:
        share, error = map(float, others.split(" ± "))
        if "long tail" in why:
            assert name.startswith(("gelu, he", "swish, he"))
        else:
            assert "chance" in why
            assert share + 2 * error >= BAR - 1e-3
    failing = Found(0.9, 0.01, 0.0, 1.0, 1.0)
    assert reason(Cell("tanh", "he", 5, 64), failing) == "**theory is off**"


QUICK = [Cell("tanh", "he", 5, 64), Cell("gelu", "he", 20, 64), Cell("relu", "normal", 5, 256)]


@pytest.mark.parametrize(
    "cell",
    # Each takes seconds; the tool makes all of them again, two at a time.
    [*QUICK, *(pytest.param(cell, marks=thorough) for cell in GRID[::8] if cell not in QUICK)],
    ids=str,
)
def test_a_cell_is_as_the_page_has_it(cell: Cell) -> None:
    found = compare(cell)
    # One of up to a thousand layers may lie on the edge of the band.
    assert shares(cell.width)[cell] == pytest.approx(found.inside - 0.005, abs=0.0065)
    if found.inside < BAR:
        assert told(found) in PAGE


@thorough
@pytest.mark.parametrize(
    "cell", [Cell("gelu", "he", 50, 64), Cell("softsign", "he", 50, 256)], ids=str
)
def test_other_networks_are_as_the_page_has_them(cell: Cell) -> None:
    assert len(MORE) == 200
    assert told(again(cell)) in PAGE


@thorough
def test_the_tail_of_gelu_with_he() -> None:
    """Three quarters of ln δ between −18 and −13, one in twenty above −9."""
    cell = Cell("gelu", "he", 50, 64)
    logs = [
        math.log(simulated("gelu", cell.variances, cell.widths, [seed, 5])[1][0])
        for seed in range(1000)
    ]
    assert 0.7 < np.mean([-18 < log < -13 for log in logs]) < 0.8
    assert 0.035 < np.mean([log > -9 for log in logs]) < 0.07


def test_plain_networks_are_those_that_the_tracker_hears() -> None:
    """δ in plain NumPy and of the package, with the same numbers."""
    cell = Cell("gelu", "he", 5, 64)
    _, deltas, gradients = simulated(cell.activation, cell.variances, cell.widths, 3)
    random = np.random.default_rng(3)
    h = random.normal(size=(1, 64))
    h /= np.sqrt(np.mean(h**2))
    model = te.nn.MLP(cell.widths, "gelu", init="zeros")
    for layer, variance in zip(model.layers, cell.variances, strict=True):
        layer.weight.data = random.normal(0, math.sqrt(variance), layer.weight.shape)
        random.normal(0, 0, layer.weight.shape[1])
    with te.flow.track(model) as flow:
        np.sum(model(h) * random.normal(size=(1, 10))).backward()
    for quantity, wanted in (("delta", deltas), ("weight", gradients)):
        last = flow["delta"][0, -1]
        assert flow[quantity][0] / last == pytest.approx(wanted, rel=0.01)


def test_every_picture_is_there() -> None:
    for page, names in (
        (FIGURES, ["flow_figures.png"]),
        (PAGE, [flow_grid.picture_name(width) for width in WIDTHS]),
    ):
        for name in names:
            assert f"(pictures/{name})" in page
            assert imread(FOLDER / name).std() > 0.05


def test_pictures_are_drawn_of_what_was_found() -> None:
    found = {cell: Found(0.5 + i / 500, 0.01, 0.0, 1.0, 1.0) for i, cell in enumerate(GRID)}
    axes = flow_grid.picture(found, 64).axes[0]
    shown = [text.get_text() for text in axes.texts]
    wanted = [
        flow_grid.short_share(found[Cell(name, *column, 64)].inside).strip("*")
        for name in ACTIVATIONS
        for column in product(INITS, DEPTHS)
    ]
    assert shown == wanted
