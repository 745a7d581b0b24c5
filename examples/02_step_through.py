"""
The chain rule, step by step
============================

A value that is used twice gets a message from each use, and its gradient is their sum. Watch it
happen: the page at the end plays both passes step by step, with the numbers put into each rule.
"""

import sys
from pathlib import Path

import tinygrad_edu as te

# %%
# Here ``a`` is used twice: once in the product, once in the sum. ``record_lines`` notes the lines
# of code, for the page to show.

with te.record_lines():
    a = te.Value(2.0, name="a")
    b = te.Value(-3.0, name="b")
    product = b * a
    total = product + a
    loss = total**2
before = te.draw.graph(loss, title="Before: no gradient is known")

# %%
# A backward pass visits the nodes from the newest to the oldest. An observer hears of each gradient
# as soon as nothing more can be added to it.

with te.observe(lambda node, gradient: print(f"{node.name or node.op.name:9} {gradient:+.0f}")):
    loss.backward()

# %%
# The sum passes −8 on to both of its inputs; the product then sends ``a`` its share, −8 · b = 24.
# Together they are 16.

after = te.draw.graph(loss, title="After: 24 − 8 = 16 has arrived at a")
print("da:", a.grad, "db:", b.grad)

# %%
# The same as a page to play with, which needs nothing but a browser.

page = te.draw.step_through(loss, title="The chain rule, step by step")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
before.save(folder / "02_before.png")
after.save(folder / "02_after.png")
page.save(folder / "02_step_through.html")
page
