"""Writes the site's reference, read off the registry and the docstrings, at every build.

python -m tools.reference_pages FOLDER; docs/conf.py does the same. Nothing of it is committed.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu import cli, errors
from tinygrad_edu.engine.expression import formula, trace
from tinygrad_edu.engine.operation import Operation
from tinygrad_edu.files import write_text
from tinygrad_edu.nn.init import INITIALISERS
from tools import reference_activations, reference_operations
from tools.markdown import table
from tools.numpy_rules import sentence, value
from tools.reference_words import entry, escaped

ROOT = Path(__file__).parents[1]
INDEX = """\
# Reference

Written from the records and docstrings at every build, so it is what runs.

- [Operations](operations.md): formula, derivative, domain, corners and NumPy names of every record.
- [Activations](activations.md): a card and a curve each.
- [Layers](layers.md), [losses](losses.md), [optimisers and schedules](optimizers.md),
  [initialisers](initialisers.md).
- [The command line](command_line.md): every command with its options.
- [All public names](api.md), module by module.
- [NumPy on Values](../numpy.md): every function of NumPy, its rule, what is not supported and
  what to write instead.
- [Hard cases](../hard_cases.md): what is returned where derivatives are hard.

And of the project itself: [how to contribute an operation](contributing.md), and [how the speed is
measured](benchmarks.md).

```{toctree}
:hidden:

contributing
benchmarks
```
"""
# Modules with a page of their own in the part "All public names".
MODULES: Mapping[str, ModuleType] = {
    "te": te,
    "te.data": te.data,
    "te.train": te.train,
    "te.check": te.check,
    "te.check.strategies": te.check.strategies,
    "te.flow": te.flow,
    "te.draw": te.draw,
    "te.errors": errors,
}
# The numbers that the formulas of losses are traced on: y is the prediction, t the target.
LOSS_SAMPLES: Mapping[str, tuple[list[float], list[float]]] = {
    "hinge": ([0.3, 0.6], [-1.0, 1.0]),
    "kl_divergence": ([-0.7, -0.7], [0.4, 0.6]),
}
# What each rule remembers of a parameter, and the letter for it.
MEMORIES: Mapping[str, Mapping[str, str]] = {
    "SGD": {"velocity": "v"},
    "Adagrad": {"sum_of_squares": "s"},
    "RMSprop": {"mean_square": "s"},
    "Adam": {"first_moment": "m", "second_moment": "v"},
    "AdamW": {"first_moment": "m", "second_moment": "v"},
}
STEPS = """\
The formula of each is its step, traced from `update`: p is the parameter, g its gradient, lr the
rate, and v, s or m what is remembered from before. Other options are at their defaults, but for
SGD's momentum, which is 0.9; Adam's and AdamW's step is their first, so 10 and 1000 take out the
start's bias.
"""
OPTIMIZERS = ("GD", "SGD", "Adagrad", "RMSprop", "Adam", "AdamW")


def pages() -> dict[str, str]:
    """All pages by their paths, without the suffix."""
    return {
        "index": INDEX,
        **reference_operations.pages(),
        **reference_activations.pages(),
        "layers": layers(),
        "losses": losses(),
        "optimizers": optimizers(),
        "initialisers": initialisers(),
        "command_line": command_line(),
        **api(),
        "contributing": included("CONTRIBUTING.md"),
        "benchmarks": included("benchmarks/README.md"),
    }


def write(folder: Path) -> None:
    """Make the folder hold the reference and nothing else; leave pages that are the same."""
    written = {folder / f"{name}.md": text for name, text in pages().items()}
    for path in set(folder.rglob("*.md")) - set(written):
        path.unlink()
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # A page that is not touched is not read again by the next build.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    reference_activations.draw(folder / "pictures")


def included(path: str) -> str:
    """A page of the repository that stands outside of the site's folder, with links from here."""
    text = (ROOT / path).read_text(encoding="utf-8")
    folder = "/".join(["../..", *Path(path).parts[:-1]])
    return re.sub(r"\]\((?!\w+:|#)", f"]({folder}/", text)


def layers() -> str:
    """Modules, and what their call computes."""
    parts = [f"# Layers\n\n{about(te.nn.layers)}\n"]
    for name in te.nn.__all__:
        item = getattr(te.nn, name)
        if inspect.isclass(item):
            parts.append(entry(f"te.nn.{name}", item))
    return "\n".join(parts)


def losses() -> str:
    """Losses with their formulas, traced on two predictions y and targets t."""
    letters = "In the formulas y is the prediction and t the target."
    parts = [f"# Losses\n\n{about(te.nn.losses)} {letters}\n"]
    for name in te.nn.losses.__all__:
        loss = getattr(te.nn.losses, name)
        parts.append(entry(f"te.nn.losses.{name}", loss, formula=loss_formula(name)))
    return "\n".join(parts)


def loss_formula(name: str) -> str:
    """What a loss computes, in LaTeX; of a penalty what it makes of weights w."""
    loss = getattr(te.nn.losses, name)
    if name in ("l1", "l2"):
        return formula(trace(lambda w: loss([w]), {"w": np.array([0.3, 0.6])})).in_latex()
    y, t = LOSS_SAMPLES.get(name, ([0.3, 0.6], [0.0, 1.0]))
    return formula(trace(loss, {"y": np.array(y), "t": np.array(t)})).in_latex()


def optimizers() -> str:
    """Update rules, clipping and schedules."""
    parts = [f"# Optimisers\n\n{about(te.optim)}\n", f"## Update rules\n\n{STEPS}"]
    for name in OPTIMIZERS:
        rule = getattr(te.optim, name)
        parts.append(entry(f"te.optim.{name}", rule, 3, step_formula(name, rule)))
    parts.append(entry("te.optim.Optimizer", te.optim.Optimizer, 3))
    groups = {
        "Clipping": ("clip_grad_norm", "clip_grad_value"),
        "Schedules": ("step_decay", "cosine", "warm_up", "plateau"),
        "Landscapes": ("descend",),
    }
    for heading, names in groups.items():
        parts.append(f"## {heading}\n")
        parts += [entry(f"te.optim.{name}", getattr(te.optim, name), 3) for name in names]
    return "\n".join(parts)


def step_formula(name: str, rule: type[te.optim.Optimizer]) -> str:
    """What a step makes of a parameter, in LaTeX."""
    given = {"momentum": 0.9} if name == "SGD" else {}
    options = dict(rule([te.Value(0.5)], **given).groups[0])
    letters = MEMORIES.get(name, {})
    before = {"steps": 0} if "first_moment" in letters else {}

    def step(p: Any, g: Any, lr: Any, *memories: Any) -> Any:
        state = before | dict(zip(letters, memories, strict=True))
        return rule.update(p, g, state, options | {"lr": lr})[0]

    samples = {"p": 0.5, "g": 0.25, "lr": 0.1} | dict.fromkeys(letters.values(), 0.25)
    return rf"p \leftarrow {formula(trace(step, samples)).in_latex()}"


def initialisers() -> str:
    """First weights."""
    parts = [f"# Initialisers\n\n{about(te.nn.init)}\n"]
    functions = {function.__name__: function for function in INITIALISERS.values()}
    for name in [*functions, "gain", "fans"]:
        parts.append(entry(f"te.nn.init.{name}", getattr(te.nn.init, name)))
    return "\n".join(parts)


def about(module: ModuleType) -> str:
    """What a module says of itself, in one paragraph."""
    return escaped(" ".join((inspect.getdoc(module) or "").split()))


def command_line() -> str:
    """Every command with its options, from the parser."""
    parser = cli.make_parser()
    parts = [
        "# The command line\n",
        f"{parser.description}\n",
        "`tinygrad-edu` and `python -m tinygrad_edu` are the same. The exit code is 0; 1 for a "
        "derivative\nfound wrong, or a training that diverged; "
        "2 for a bad option; 130 for Ctrl-C.\n",
    ]
    return "\n".join([*parts, *commands(parser)])


def commands(parser: argparse.ArgumentParser) -> Iterable[str]:
    """The commands of a parser, and those below them, each with a table of its options."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        helps = {each.dest: each.help for each in action._choices_actions}
        for name, command in action.choices.items():
            yield f"## {command.prog}\n\n{capital(helps.get(name) or '')}.\n"
            rows = [option(each) for each in command._actions if shown(each)]
            if rows:
                yield table(("option", "meaning", "default"), rows)
            if command.epilog:
                yield f"{escaped(command.epilog)}\n"
            yield from commands(command)


def capital(text: str) -> str:
    """A sentence's first letter."""
    return escaped(text[:1].upper() + text[1:])


def shown(action: argparse.Action) -> bool:
    """Whether an option is to be listed."""
    return not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)


def option(action: argparse.Action) -> tuple[str, str, str]:
    """How an option is written, what it means, what it is if it is not given."""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    written = " ".join([", ".join(action.option_strings), str(value if action.nargs != 0 else "")])
    default = action.default
    absent = default is None or default is False or default in (argparse.SUPPRESS, (), [])
    # As --help has it: a first word may be one to type.
    meaning = escaped((action.help or "").replace("%%", "%"))
    return f"`{written.strip()}`", meaning, "" if absent else f"`{default}`"


def api() -> dict[str, str]:
    """All public names: a list, and a page for each module."""
    listed = ["# All public names\n", "`te` is `import tinygrad_edu as te`.\n"]
    listed += ["```{toctree}\n:hidden:\n", *(f"api/{name}" for name in MODULES), "```\n"]
    written = {}
    for prefix, module in MODULES.items():
        items = public(module)
        rows, sections = [], []
        for name, item in items.items():
            full = f"{prefix}.{name}"
            if isinstance(item, Operation):
                page = f"operations/{reference_operations.subject(item)}"
                rows.append((link(full, page, f"operation-{item.name}"), value(item)))
                continue
            # Labels make no difference between a class Theory and a function theory.
            twins = sum(name.lower() == other.lower() for other in items)
            anchor = f"{full}-class" if twins > 1 and inspect.isclass(item) else full
            rows.append((link(full, f"api/{prefix}", anchor), escaped(sentence(item))))
            sections.append(entry(full, item, anchor=anchor))
            if item is te.Value:
                sections.append(METHODS)
        listed += [f"## {prefix}\n", f"{about(module)}\n", table(("name", "what it is"), rows)]
        written[f"api/{prefix}"] = f"# {prefix}\n\n{about(module)}\n\n" + "\n".join(sections)
    listed.append(ELSEWHERE)
    return {"api": "\n".join(listed), **written}


ELSEWHERE = """\
## Others

`te.activations` holds the [activations](activations.md), `te.OPERATIONS` the
[records](operations.md) by name, `te.nn` the [layers](layers.md), `te.nn.losses` the
[losses](losses.md), `te.nn.init` the [initialisers](initialisers.md), `te.optim` the
[optimisers](optimizers.md).
"""


METHODS = """\
Beside these it has operators, indexing and methods, as arrays have them: [all
methods](../../numpy.md#methods-of-a-value).
"""


def public(module: ModuleType) -> dict[str, Any]:
    """The functions, classes and records that a module gives to users."""
    names = getattr(module, "__all__", None) or [
        name
        for name, item in vars(module).items()
        if inspect.isclass(item) and item.__module__ == module.__name__
    ]
    found = {name: getattr(module, name) for name in names}
    return {name: item for name, item in found.items() if callable(item)}


def link(name: str, page: str, anchor: str) -> str:
    """A name that leads to its section."""
    return f"[`{name}`]({page}.md#{anchor.lower()})"


def main() -> None:
    """Write the reference into a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.reference_pages", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
