"""Records of variance and spread; averages, quantiles, and statistics that skip NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.operation import Structural, define_structural
from ..errors import OperandError
from .reductions import (
    AXES,
    Reduction,
    choosing,
    count_chosen,
    count_of,
    kept_shape,
    lanes,
    operand,
    reduced_axes,
    without_axes,
)


def centred_forward(a: Any, axis: Any = None) -> Any:
    """a − mean(a) over `axis`."""
    count = max(count_of(a.shape, axis), 1)
    out = a - np.add.reduce(a, axis=axis, keepdims=True) / count
    # The mean is rounded at the size of `a`, which may be far from 0. What that leaves is taken
    # off, to the last bit where all entries are equal.
    out -= np.add.reduce(out, axis=axis, keepdims=True) / count
    return out


centred: Structural = define_structural(
    "centred",
    centred_forward,
    lambda g, out, a, axis=None: centred(g, axis=axis),
    formula=r"\left({0} - \overline{{{0}}}\right)",
    cases=[(shapes, {"axis": options.get("axis")}) for shapes, options in AXES],
    definition=lambda a, axis=None: a - np.mean(a, axis=axis, keepdims=True),
)


def freedom(shape: tuple[int, ...], axis: Any, ddof: float) -> float:
    """What the sum of squares is divided by; 0 where NumPy says "degrees of freedom <= 0"."""
    return max(count_of(shape, axis) - ddof, 0)


def var_forward(a: Any, axis: Any = None, ddof: float = 0, keepdims: Any = False) -> Any:
    """The mean of the squares of what is left of `a` without its mean."""
    squares = centred_forward(a, axis)
    squares *= squares
    return np.add.reduce(squares, axis=axis, keepdims=keepdims) / freedom(a.shape, axis, ddof)


def var_pullback(
    g: Any, out: Any, a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    """2 (a − mean) / (n − ddof)."""
    slope = 2 * centred(a, axis=axis) / freedom(a.shape, axis, ddof)
    return np.reshape(g, kept_shape(a.shape, axis)) * slope


DEGREES: tuple[Any, ...] = (
    (((2, 3),), {}),
    (((2, 3, 2),), {"axis": (0, 2), "ddof": 1}),
    (((2, 4),), {"axis": -1, "keepdims": True}),
    (((3, 2),), {"axis": 0, "ddof": 0.5}),
)
variance = Reduction.define(
    "var",
    var_forward,
    var_pullback,
    formula=r"\operatorname{{var}}\left({0}\right)",
    numpy=(np.var,),
    extremes=((1e150,), (0.0,)),
    cases=(*DEGREES, (((),), {})),
)


@np.errstate(over="ignore")
def std_forward(a: Any, axis: Any = None, ddof: float = 0, keepdims: Any = False) -> Any:
    """The root of the variance, even where the squares are beyond the range of floats."""
    deviations = centred_forward(a, axis)
    limits = np.finfo(a.dtype)
    square = np.add.reduce(deviations * deviations, axis=axis, keepdims=True)
    size: Any = 1.0
    if not np.all((square > limits.tiny / limits.eps) & (square < limits.max)):
        size = np.maximum.reduce(np.abs(deviations), axis=axis, keepdims=True, initial=0)
        size = np.where((size > 0) & (size < np.inf), size, np.ones_like(size))
        deviations /= size
        square = np.add.reduce(deviations * deviations, axis=axis, keepdims=True)
    out = np.sqrt(square / freedom(a.shape, axis, ddof)) * size
    return without_axes(out, axis, keepdims)


def std_pullback(
    g: Any, out: Any, a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False
) -> Any:
    """(a − mean) / std / (n − ddof); 0, a subgradient, where all entries are equal."""
    kept = kept_shape(a.shape, axis)
    spread = np.reshape(out, kept)
    standard = centred(a, axis=axis) / np.where(spread == 0, 1.0, spread)
    return np.reshape(g, kept) * (standard / freedom(a.shape, axis, ddof))


def range_of(a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The greatest entry less the least one: zero where all are equal."""
    rows = lanes(a, axis)
    return np.ptp(rows, axis=-1) if rows.shape[-1] > 1 else np.ones(rows.shape[:-1])


deviation = Reduction.define(
    "std",
    std_forward,
    std_pullback,
    formula=r"\operatorname{{std}}\left({0}\right)",
    kinks=(range_of,),
    numpy=(np.std,),
    extremes=((1e300,), (0.0,)),
    cases=(*DEGREES, (((2,),), {})),
    definition=lambda a, axis=None, ddof=0, keepdims=False: np.sqrt(
        np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)
    ),
)


def degrees(ddof: float, correction: float | None) -> float:
    """The two spellings of what is taken off the number of entries."""
    if correction is None:
        return ddof
    if ddof:
        raise OperandError("ddof= and correction= are the same; give one of them")
    return correction


def chosen_variance(
    a: Any, axis: Any, ddof: float, keepdims: bool, where: Any, correction: float | None
) -> Any:
    """The variance of the entries that a mask chooses."""
    ddof = degrees(ddof, correction)
    if where is True:
        return variance(a, axis=axis, ddof=ddof, keepdims=keepdims)
    count = count_chosen(where, a, axis)
    some = np.maximum(count, 1)
    chosen = np.where(where, a, 0)
    for _ in range(2):  # as in `centred`
        mean = np.sum(chosen, axis=axis, keepdims=True) / some
        chosen = np.where(where, chosen - mean, 0)
    out = np.sum(np.square(chosen), axis=axis, keepdims=True)
    out = out / np.maximum(count - ddof, 0)
    return without_axes(out, axis, keepdims)


@choosing(variance)
def var_chosen(
    a: Any,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: float | None = None,
) -> Any:
    """The variance of the entries that a mask chooses."""
    return chosen_variance(a, axis, ddof, keepdims, where, correction)


@choosing(deviation)
def std_chosen(
    a: Any,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: float | None = None,
) -> Any:
    """The standard deviation of the entries that a mask chooses."""
    if where is True:
        return deviation(a, axis=axis, ddof=degrees(ddof, correction), keepdims=keepdims)
    square = chosen_variance(a, axis, ddof, keepdims, where, correction)
    equal = square == 0
    return np.where(equal, 0, np.sqrt(np.where(equal, 1, square)))


def numbered(a: Any, where: Any) -> Any:
    """Which entries are no NaN, of those that a mask chooses."""
    return ~np.isnan(a) if where is True else ~np.isnan(a) & where


@implements(np.nansum)
def nansum(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The sum of all but NaN, which gets no gradient."""
    mask = numbered(a, where)
    return np.sum(a, axis=axis, keepdims=keepdims, initial=initial, where=mask)


@implements(np.nanprod)
def nanprod(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The product of all but NaN, which gets no gradient."""
    mask = numbered(a, where)
    return np.prod(a, axis=axis, keepdims=keepdims, initial=initial, where=mask)


@implements(np.nanmean)
def nanmean(a: Any, axis: Any = None, keepdims: bool = False, where: Any = True) -> Any:
    """The mean of all but NaN, which gets no gradient."""
    return np.mean(a, axis=axis, keepdims=keepdims, where=numbered(a, where))


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: float | None = None,
) -> Any:
    """The variance of all but NaN, which gets no gradient."""
    return var_chosen(a, axis, ddof, keepdims, numbered(a, where), correction)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: float | None = None,
) -> Any:
    """The standard deviation of all but NaN, which gets no gradient."""
    return std_chosen(a, axis, ddof, keepdims, numbered(a, where), correction)


def nan_extreme(
    extreme: Any, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any, last: float
) -> Any:
    """The extreme of all but NaN; NaN where there is nothing else."""
    mask = numbered(a, where)
    start = last if initial is None else initial
    out = extreme(a, axis=axis, keepdims=keepdims, initial=start, where=mask)
    if initial is not None:
        return out
    some = np.sum(mask, axis=axis, keepdims=keepdims) > 0
    return np.where(some, out, np.nan)


@implements(np.nanmax)
def nanmax(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The greatest of all but NaN; ties share the gradient."""
    return nan_extreme(np.max, a, axis, keepdims, initial, where, -np.inf)


@implements(np.nanmin)
def nanmin(
    a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """The least of all but NaN; ties share the gradient."""
    return nan_extreme(np.min, a, axis, keepdims, initial, where, np.inf)


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """The mean, weighted if weights are given; with `returned` also the sum of the weights."""
    if weights is None:
        out = np.mean(a, axis=axis, keepdims=keepdims)
        scale: Any = np.full(out.shape, count_of(a.shape, axis), out.dtype)[()]
        return (out, scale) if returned else out
    weights = operand(weights)
    if np.shape(weights) != np.shape(a):
        weights = aligned_weights(weights, np.shape(a), axis)
    scale = np.sum(weights, axis=axis, keepdims=keepdims)
    if np.any(scale == 0):
        raise ZeroDivisionError("weights that add up to zero have no average")
    out = np.sum(a * weights, axis=axis, keepdims=keepdims) / scale
    return (out, np.broadcast_to(scale, out.shape)) if returned else out


def aligned_weights(weights: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Weights of the entries along `axis`, shaped to be multiplied with an array of `shape`."""
    if axis is None:
        raise OperandError(
            f"weights of shape {np.shape(weights)} for an array of shape {shape} need axis="
        )
    axes = reduced_axes(len(shape), axis)
    if np.shape(weights) != tuple(shape[each] for each in axes):
        raise OperandError(
            f"weights of shape {np.shape(weights)} do not fit axis {axis} of shape {shape}"
        )
    ordered = np.transpose(weights, np.argsort(axes).tolist())
    return np.reshape(ordered, tuple(n if each in axes else 1 for each, n in enumerate(shape)))


# The methods whose quantiles are entries, and never between two of them.
ONE_ENTRY = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """The number below which a share `q` of the entries is, by any of NumPy's methods."""
    shares = np.asarray(q, np.float64)
    rows = lanes(a, axis)
    count = rows.shape[-1]
    if not count:
        raise ValueError("no entries have no quantile")
    # Where a quantile is in the row is the same quantile of the positions.
    position = np.quantile(np.arange(float(count)), shares, method=method)  # type: ignore[call-overload]
    below = np.floor(position).astype(int)
    step = np.asarray(position - below)
    ordered = np.sort(rows, axis=-1)
    # From the nearer of both, so that nothing is lost where they are far apart.
    out = ordered[..., np.where(step < 0.5, below, below + 1)]
    if method not in ONE_ENTRY:
        weight = np.where(step < 0.5, step, step - 1)
        if isinstance(q, float | int):  # as weak in NumPy
            weight = weight.astype(rows.dtype)
        above = np.minimum(below + 1, count - 1)
        out = out + weight * (ordered[..., above] - ordered[..., below])
    first = range(rows.ndim - 1, out.ndim)
    out = np.transpose(out, (*first, *range(rows.ndim - 1)))
    out = np.where(np.isnan(ordered[..., -1]), np.nan, out)
    if keepdims:
        out = np.reshape(out, (*shares.shape, *kept_shape(np.shape(a), axis)))
    return out


@implements(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """The number below which `q` percent of the entries are, by any of NumPy's methods."""
    share = q / 100 if isinstance(q, float | int) else np.asarray(q) / 100
    return quantile(a, share, axis, overwrite_input, method, keepdims)


@implements(np.median)
def median(a: Any, axis: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle entry in size, or the mean of the two in the middle."""
    return quantile(a, 0.5, axis, overwrite_input, "linear", keepdims)


@implements(np.cov)
def covariance(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: float | None = None
) -> Any:
    """The covariances of the rows (of the columns unless `rowvar`)."""
    rows = variables(m, rowvar)
    if y is not None:
        rows = np.concatenate([rows, variables(y, rowvar)], axis=0)
    apart = centred(rows, axis=1)
    off = (0 if bias else 1) if ddof is None else ddof
    out = apart @ np.transpose(apart) / freedom(rows.shape, 1, off)
    return np.reshape(out, ()) if out.size == 1 else out


def variables(m: Any, rowvar: bool) -> Any:
    """Observations as a matrix of float64, with one row for each variable."""
    m = operand(m).astype(np.float64)
    if m.ndim > 2:
        raise ValueError(f"observations are a row or a matrix, not of {m.ndim} axes")
    if m.ndim < 2:
        return np.reshape(m, (1, -1))
    return m if rowvar else np.transpose(m)


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """The correlations of the rows (of the columns unless `rowvar`)."""
    both = covariance(x, y, rowvar)
    if not both.ndim:
        return both / both
    scale = np.sqrt(both[np.diag_indices(len(both))])
    return np.clip(both / scale[:, None] / scale[None, :], -1, 1)
