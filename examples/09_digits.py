"""
Handwritten digits, in twenty lines
===================================

1,797 images of 8 × 8, a hidden layer, a softmax. Three things to look at when a network is trained:
its curves, what it confuses, and the images that it gets wrong.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_edu as te

(images, digits), (test_images, test_digits) = te.data.digits()

# %%
# Cross-entropy takes the outputs before the softmax (logits): both together are one operation that
# does not overflow.

model = te.nn.MLP([64, 64, 10], activation="relu", seed=0)
history = te.train.fit(
    model,
    (images, digits),
    te.nn.losses.cross_entropy,
    te.optim.Adam(model.parameters(), lr=0.003),
    epochs=30,
    batch_size=32,
    schedule=te.optim.cosine(30),
    validation=(test_images, test_digits),
    metrics=[te.train.accuracy],
    compile=True,
    progress=False,
)
print(f"{history['validation_accuracy'][-1]:.1%} of {len(test_digits)} new images are read right")
training = te.draw.training(history)

# %%
# Rows are what it is, columns what it was taken for.

with te.no_grad():
    probabilities = te.activations.softmax(model(test_images)).data
confusion = te.draw.confusion_matrix(test_digits, probabilities.argmax(axis=1))

# %%
# The mistakes, the surest first. Some of them are hard to read for people, too.

mistakes = te.draw.mistakes(test_images.reshape(-1, 8, 8), probabilities, test_digits)
wrong = np.flatnonzero(probabilities.argmax(axis=1) != test_digits)
print(f"{len(wrong)} mistakes")

folder = Path(*sys.argv[1:2] or ["runs/examples"])
folder.mkdir(parents=True, exist_ok=True)
training.savefig(folder / "09_digits_training.png")
confusion.savefig(folder / "09_digits_confusion.png")
mistakes.savefig(folder / "09_digits_mistakes.png")
