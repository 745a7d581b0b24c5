"""The site builds without a warning, asks the network for nothing, and all its links lead on."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

import tinygrad_edu as te
from tests.docs.test_page_pictures import every_page
from tinygrad_edu import cli
from tinygrad_edu.activations import ACTIVATIONS
from tinygrad_edu.nn.init import INITIALISERS
from tinygrad_edu.optim import OPTIMIZERS
from tools import reference_activations, reference_operations, reference_pages
from tools.numpy_rules import sentence
from tools.reference_words import entry, escaped, signature

ROOT = Path(__file__).parents[2]
# Tags, and the attribute with which a page has something loaded.
LOADING = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "video": "src",
}


def extension(name: str) -> Any:
    """A module of docs/_ext, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/_ext/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mathml = extension("mathml").mathml


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The reference as Markdown."""
    return reference_pages.pages()


# Mathematics.


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\frac{\partial y}{\partial x}", "∂y∂x"),
        (r"\operatorname{log\_softmax}\left(x\right)", "log_softmax(x)"),
        (r"\mathrm{atan2}\left(x_{1}, x_{2}\right)", "atan2(x1,x2)"),
        (r"\arg\max a", "argmaxa"),
        (r"\begin{cases} -x & x < 0 \\ x & \text{otherwise} \end{cases}", "{−xx<0xotherwise"),
        (r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}", "(abcd)"),
        (r"\begin{aligned} a &= b \\ &= c \end{aligned}", "a=b=c"),
        (r"$`\left\lfloor \frac{a}{b} \right\rfloor`$".strip("$"), "⌊ab⌋"),
        (r"\sum_{i=1}^{n} \hat{x}_i^2 \cdot \sigma'", "∑i=1nx^i2·σ′"),
        (r"\left(-\infty, \infty\right)", "(−∞,∞)"),
        (r"\mathbb{R} \ni \delta \leftarrow \nabla f \odot g^\top", "ℝ∋δ←∇f⊙g⊤"),
    ],
)
def test_mathematics_is_written_as_mathml(latex: str, shown: str) -> None:
    root = ElementTree.fromstring(mathml(latex))
    assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
    assert "".join("".join(root.itertext()).split()).replace("⋅", "·") == shown


def test_a_fraction_has_its_two_parts() -> None:
    root = ElementTree.fromstring(mathml(r"\frac{g}{6 + n}"))
    (fraction,) = root.iter("{http://www.w3.org/1998/Math/MathML}mfrac")
    assert ["".join(part.itertext()) for part in fraction] == ["g", "6+n"]


def test_brackets_are_as_high_as_what_is_in_them() -> None:
    assert 'stretchy="true"' in mathml(r"\left(\frac{1}{2}\right)")
    assert 'stretchy="true"' not in mathml(r"\left(y\right)")


def test_a_minus_is_a_sign_where_it_is_one() -> None:
    assert mathml(r"x = -1").count('form="prefix"') == 1
    assert mathml(r"\left(-x, -y\right)").count('form="prefix">−') == 2
    assert "prefix" not in mathml("a - b")


@pytest.mark.parametrize("latex", [r"\foo x", r"\frac{1}", r"\left( x", r"{x"])
def test_a_formula_that_is_not_known_is_an_error(latex: str) -> None:
    with pytest.raises(ValueError, match=r"not known|not read"):
        mathml(latex)


def test_the_formulas_of_the_whole_reference_are_known(pages: dict[str, str]) -> None:
    formulas = [
        latex for text in pages.values() for latex in (*inline(text), *text.split("$$\n")[1::2])
    ]
    assert len(formulas) > 2 * len(te.OPERATIONS)
    for latex in formulas:
        assert "\\" not in "".join(ElementTree.fromstring(mathml(latex)).itertext())


def inline(text: str) -> Iterator[str]:
    """The formulas within lines, which are between $` and `$."""
    for part in text.split("$`")[1:]:
        yield part.partition("`$")[0]


# The reference has everything.


def section(text: str, label: str) -> str:
    """What stands under a label, up to the next."""
    assert f"({label})=\n" in text, label
    return text.partition(f"({label})=\n")[2].partition("\n(")[0]


def test_every_operation_has_its_section(pages: dict[str, str]) -> None:
    everywhere = "\n".join(text for name, text in pages.items() if name.startswith("operations/"))
    for name, op in te.OPERATIONS.items():
        if name in ACTIVATIONS:
            continue
        assert f"#operation-{name})" in pages["operations"]
        written = section(everywhere, f"operation-{name}".lower())
        assert reference_operations.display(op) in written
        for wanted in ("| kind |", "| declared in |"):
            assert wanted in written, name
        if op.differentiable:
            assert "| derivative |" in written or "| gradient, " in written, name
            assert "| domain, as far as it is checked |" in written
            assert "| not smooth |" in written


def test_where_a_record_is_declared_stands_its_name() -> None:
    for name, op in te.OPERATIONS.items():
        text = (ROOT / reference_operations.home(op)).read_text(encoding="utf-8")
        assert name in text, name


def test_derivatives_are_those_of_the_rules(pages: dict[str, str]) -> None:
    angles = pages["operations/trigonometry"]
    assert "| derivative | $`1 + {y}^2`$ |" in section(angles, "operation-tan")
    assert r"| derivative | $`-\sin\left(x\right)`$ |" in section(angles, "operation-cos")
    written = section(pages["operations/elementary"], "operation-log")
    assert r"| domain, as far as it is checked | $`x`$ in $`\left(0, \infty\right)`$ |" in written
    assert "| called | `np.log`, `v.log()` |" in written


def test_every_activation_has_its_page(pages: dict[str, str]) -> None:
    for name, op in ACTIVATIONS.items():
        card, text = op.card(), pages[f"activations/{name}"]
        assert f"](activations/{name}.md)" in pages["activations"]
        assert f"![{card.alt}](../pictures/{name}.png)" in text
        for formula in (card.formula, *(slope for _, slope in card.slopes)):
            assert f"$$\n{formula.in_latex()}\n$$" in text
        for label, _ in card.rows:
            assert f"| {escaped(label)} |" in text


def test_every_layer_loss_optimiser_and_initialiser_has_its_section(
    pages: dict[str, str],
) -> None:
    layers = [name for name in te.nn.__all__ if isinstance(getattr(te.nn, name), type)]
    rules = [rule.__name__ for rule in OPTIMIZERS.values()]
    first_weights = [function.__name__ for function in INITIALISERS.values()]
    for page, prefix, module, names in (
        ("layers", "te.nn", te.nn, layers),
        ("losses", "te.nn.losses", te.nn.losses, te.nn.losses.__all__),
        ("optimizers", "te.optim", te.optim, rules),
        ("initialisers", "te.nn.init", te.nn.init, first_weights),
    ):
        assert len(names) > 5
        for name in names:
            item = getattr(module, name)
            written = section(pages[page], f"{prefix}.{name}".lower())
            assert f"{prefix}.{name}(" in written
            assert escaped(sentence(item)) in written


def test_losses_and_penalties_have_formulas(pages: dict[str, str]) -> None:
    for name in te.nn.losses.__all__:
        assert section(pages["losses"], f"te.nn.losses.{name}").count("$$") == 2
    mae = section(pages["losses"], "te.nn.losses.mae")
    assert r"\operatorname{mean}\left(\left|y - t\right|\right)" in mae


def test_the_steps_of_optimisers_are_traced(pages: dict[str, str]) -> None:
    for name in reference_pages.OPTIMIZERS:
        written = section(pages["optimizers"], f"te.optim.{name.lower()}")
        assert r"$$\np \leftarrow p - ".replace(r"\n", "\n") in written
        assert r"\mathrm{lr} \cdot" in written
    momentum = section(pages["optimizers"], "te.optim.sgd")
    assert r"\mathrm{lr} \cdot \left(0.9 \cdot v + g\right)" in momentum


def test_every_command_and_option_is_listed(pages: dict[str, str]) -> None:
    text = pages["command_line"]
    for command in ("xor", "train digits", "activations", "graph", "check", "flow"):
        assert f"## tinygrad-edu {command}\n" in text
    for action in cli.make_parser()._actions:
        for parser in getattr(action, "choices", None) or {}:
            assert f"tinygrad-edu {parser}" in text
    for option in ("--hidden", "--layers", "--resume", "--claim", "--sweep", "--step", "--lang"):
        assert f"`{option}" in text


def test_every_public_name_is_listed(pages: dict[str, str]) -> None:
    for name in te.__all__:
        if callable(getattr(te, name)):
            assert f"[`te.{name}`](" in pages["api"], name
    for prefix, module in reference_pages.MODULES.items():
        for name in reference_pages.public(module):
            assert f"[`{prefix}.{name}`](" in pages["api"]


def test_the_reference_is_the_same_at_every_build(pages: dict[str, str]) -> None:
    assert reference_pages.pages() == pages
    assert not any("0x" in text for text in pages.values())


def test_pages_that_are_the_same_are_left_and_others_removed(tmp_path: Path) -> None:
    (tmp_path / "operations").mkdir()
    old = tmp_path / "operations/of_an_older_build.md"
    old.write_text("# Old\n", encoding="utf-8")
    texts = {"index": "# Index\n"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_pages, "pages", lambda: texts)
        patch.setattr(reference_activations, "draw", lambda folder: None)
        reference_pages.write(tmp_path)
        assert not old.exists()
        before = (tmp_path / "index.md").stat().st_mtime_ns
        reference_pages.write(tmp_path)
        assert (tmp_path / "index.md").stat().st_mtime_ns == before
        texts["index"] = "# Changed\n"
        reference_pages.write(tmp_path)
    assert (tmp_path / "index.md").read_text(encoding="utf-8") == "# Changed\n"


# Signatures and docstrings.


def example(x: float, /, *rest: int, axis: int | None = None, **options: str) -> float:
    """Take x_1 and x_2, with $ and `a * b`; see [1].

    >>> 1 + 1
    2
    """
    return x


def test_signatures_are_written_as_in_python() -> None:
    assert signature("f", example) == (
        "f(x: float, /, *rest: int, axis: int | None = None, **options: str) -> float"
    )
    long = signature("te.nn.MLP", te.nn.MLP).split("\n")
    assert long[0] == "te.nn.MLP("
    assert "    dtype=float64," in long
    assert long[-1] == ")"


class Example:
    """A class."""

    switch = True

    @property
    def size(self) -> int:
        """How large it is."""
        return 1

    def method(self, count: int = 2) -> int:
        """Count.

        Twice.
        """
        return count

    def _own(self) -> None:
        """Do nothing."""


def test_of_a_class_its_methods_and_properties_are_shown() -> None:
    text = entry("Example", Example)
    assert "`size`\n: How large it is." in text
    assert "`method(count: int = 2) -> int`\n: Count.\n\n  Twice." in text
    assert "switch" not in text
    assert "_own" not in text


def test_docstrings_are_shown_as_they_are() -> None:
    text = entry("f", example)
    assert r"Take x\_1 and x\_2, with \$ and `a * b`; see \[1\]." in text
    assert "```py\n>>> 1 + 1\n2\n```" in text


# The gallery's pictures, and the pages of files.


def test_examples_show_each_figure_and_graph_once(tmp_path: Path) -> None:
    figure, hidden = te.draw.activations(), te.draw.activations()
    graph = te.draw.graph(te.Value(0.5, name="x").tanh())
    paths = iter(str(tmp_path / f"{number}.png") for number in range(9))
    variables = {
        "example_globals": {"figure": figure, "same": figure, "several": [graph, hidden], "x": 1},
        "image_path_iterator": paths,
    }
    scraper = extension("figures").scraper
    shown = scraper(None, variables, {"src_dir": str(tmp_path)})
    assert [number for number in range(9) if f"{number}.png" in shown] == [0, 1, 2]
    for number in range(3):
        assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")
    assert ":alt: Representative activation functions" in shown
    assert ":alt: A computation graph" in shown
    assert scraper(None, variables, {"src_dir": str(tmp_path)}) == ""


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("README.md", "index"),
        ("CONTRIBUTING.md", "reference/contributing"),
        ("examples", "gallery/index"),
        ("examples/03_xor.py", "gallery/03_xor"),
        ("tinygrad_edu/engine/value.py", "source/tinygrad_edu/engine/value.py"),
        ("tinygrad_edu/xor", "source/tinygrad_edu/xor"),
    ],
)
def test_files_have_pages(path: str, page: str) -> None:
    assert (ROOT / path).exists()
    assert extension("source_pages").page_of(path) == page


def test_a_prime_is_raised_once() -> None:
    assert "msup" not in mathml(r"f'(x) + \sigma^\prime")
    assert mathml("x^2").count("msup") == mathml("f'(x^2)").count("msup") == 2


def test_options_are_written_as_they_are_typed(pages: dict[str, str]) -> None:
    page = pages["command_line"]
    assert re.search(r"^\| `--seed \w+` \| .* \| `0` \|$", page, re.M)
    assert re.search(r"^\| `--task \w+` \| spirals, moons", page, re.M)


# Spelling.


def test_spelling() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_no_line_is_taken_for_a_comment() -> None:
    pages = every_page()
    assert len(pages) > 50
    for page in pages:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        assert re.findall(r"^\s*%.*", prose, re.M) == [], page


# The built site.


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"),
            *("--nitpicky", "-b", "html", "-d", folder / "trees", "docs", folder / "html"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


class Page(HTMLParser):
    """What a page loads, where it leads, and what in it can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.without_text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag in LOADING and given.get(LOADING[tag]):
            self.loads.append(given[LOADING[tag]])
        if "srcset" in given:
            self.loads += [part.split()[0] for part in given["srcset"].split(",")]
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        # The title beside a thumbnail says what it shows.
        if tag == "img" and not given.get("alt") and "_thumb." not in given.get("src", ""):
            self.without_text.append(given.get("src", ""))


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Page]:
    """All pages of the site."""
    found = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(found) > 150
    return found


@pytest.mark.thorough
def test_the_site_has_its_parts(site: Path) -> None:
    for part in ("course", "howto", "reference", "explanation", "gallery", "ja"):
        assert (site / part / "index.html").is_file()
    assert (site / "reference/activations/mish.html").read_text(encoding="utf-8").count("<math")
    assert (site / "_images").is_dir()


@pytest.mark.thorough
def test_no_page_asks_the_network_for_anything(site: Path, built: dict[Path, Page]) -> None:
    for path, page in built.items():
        for address in page.loads:
            parts = urlsplit(address)
            assert parts.scheme in ("", "data"), (path, address)
            assert not parts.netloc, (path, address)
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert "url(http" not in text.replace('"', "").replace("'", ""), sheet
        assert "@import" not in text, sheet


@pytest.mark.thorough
def test_every_link_and_picture_leads_somewhere(site: Path, built: dict[Path, Page]) -> None:
    broken = []
    for path, page in built.items():
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{path.relative_to(site)}: {address}")
            elif parts.fragment and target in built:
                known = unquote(parts.fragment) in built[target].ids
                broken += [] if known else [f"{path.relative_to(site)}: {address}"]
    assert not broken


@pytest.mark.thorough
def test_every_picture_is_described(site: Path, built: dict[Path, Page]) -> None:
    missing = {
        str(path.relative_to(site)): page.without_text
        for path, page in built.items()
        if page.without_text
    }
    assert not missing
