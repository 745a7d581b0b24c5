"""A folded graph as DOT text."""

from __future__ import annotations

import graphviz

from .dot_labels import escaped, heatmap_label, left_aligned, lines_label, record_label
from .folding import Folding, Frame, Part, kind, scopes_around
from .heatmap import Heatmap, heatmap
from .labels import Labels, Say, clipped, notices, numbers
from .legend import add_legend
from .looks import (
    BACKWARD,
    EDGES,
    FRAMES,
    GRAPH,
    LEFT_OUT,
    NODES,
    PLAIN,
    UNTRACKED,
    look_of,
    width,
)


def dot_source(
    folded: Folding, title: str | None, say: Say, limit: int, heatmaps: bool = False
) -> str:
    """The drawing in DOT. `limit` is what the graph was folded for, `say` speaks its language."""
    dot = graphviz.Digraph("graph", graph_attr=GRAPH, node_attr=NODES, edge_attr=EDGES)
    if title:
        dot.attr(label=f"{escaped(clipped(title, 200))}\\n\\n")
    ids = {part: f"n{part.number}" for part in folded.parts}
    labels = Labels(folded, say)
    maps: list[Heatmap] = []
    framed: dict[Frame | None, graphviz.Digraph] = {None: dot}
    for part in folded.parts:
        add_frames(part.frame, framed)
        shown = heatmaps_of(part) if heatmaps else []
        maps += filter(None, shown)
        text = labels.node(part)
        look = dict(look_of(part, folded.output)[1])
        record = look["shape"] == "Mrecord"
        if any(shown):
            # A record holds no table; a rounded box looks the same.
            look |= {"shape": "box", "style": "filled,rounded"} if record else {}
            look |= heatmap_label(text, shown, say)
        elif record:
            look |= record_label(text)
        else:
            look |= lines_label([*text.headings, *text.numbers])
        framed[part.frame].node(ids[part], **look)
    # The innermost first: what is added to the one around it must be complete.
    frames = [frame for frame in framed if frame]
    for frame in sorted(frames, key=lambda frame: -len(scopes_around(frame.scope))):
        framed[frame.outer].subgraph(framed[frame])
    backward = False
    for link in folded.links:
        ends = ids[link.source], ids[link.target]
        lines, strength = labels.edge(link)
        look = dict(UNTRACKED) if kind(link.source.items[0]) == "constant" else {}
        look |= {"constraint": "false"} if link.later else {}
        if strength is not None:
            backward = True
            look["penwidth"] = f"{width(strength):.2f}"
        dot.edge(*ends, **look, **left_aligned(lines))
    if notice := notices(folded, limit, say):
        dot.node("notice", **PLAIN, **lines_label(notice), fontcolor=BACKWARD)
        for part in folded.cut:
            dot.edge("notice", ids[part], **LEFT_OUT)
    add_legend(dot, folded, backward, maps, say)
    return str(dot.source)


def add_frames(frame: Frame | None, framed: dict[Frame | None, graphviz.Digraph]) -> None:
    """Make the text of a frame, and of those around it, if there is none yet."""
    new = []
    while frame not in framed:
        assert frame is not None
        new.append(frame)
        frame = frame.outer
    for inner in reversed(new):
        outer = f"{inner.outer.scope}." if inner.outer else ""
        label = escaped(clipped(inner.scope.removeprefix(outer)))
        framed[inner] = graphviz.Digraph(
            f"cluster_{len(framed)}", graph_attr={**FRAMES, "label": label}
        )


def heatmaps_of(part: Part) -> list[Heatmap | None]:
    """The heatmaps of value and gradient, where a part is not several at once."""
    if part.count > 1:
        return []
    item = part.ends[-1]
    return [heatmap(numbers(item)), heatmap(getattr(item, "grad", None))]
