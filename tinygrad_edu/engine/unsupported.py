"""What NumPy can do to an array and not to a Value, why, and what to write instead.

By name, because not every NumPy has every function. The errors and the page of the docs read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Functions that are unsupported for one reason: `why`, and what to write `instead`.

    `names` holds them as NumPy calls them, without "np.", each with what to write instead of it
    alone; "" where that of the group holds, in which {name} is the function's name.
    """

    title: str
    why: str
    instead: str
    names: Mapping[str, str]


def plain(names: str) -> dict[str, str]:
    """Names for which the advice of their group holds."""
    return dict.fromkeys(names.split(), "")


UNSUPPORTED: tuple[Group, ...] = (
    Group(
        "Whole numbers and bits",
        "it works on whole numbers, and a Value holds real ones",
        "np.{name}(v.data.astype(int))",
        plain("bitwise_count gcd lcm packbits unpackbits")
        | {
            "left_shift": "v * 2.0**n",
            "bitwise_left_shift": "v * 2.0**n",
            "right_shift": "np.floor(v / 2.0**n)",
            "bitwise_right_shift": "np.floor(v / 2.0**n)",
            "bincount": "(np.arange(n)[:, None] == indices) @ weights",
        },
    ),
    Group(
        "The bits of a floating-point number",
        "it takes the number's representation apart, which has no derivative",
        "np.{name}(v.data)",
        plain("frexp nextafter spacing"),
    ),
    Group(
        "Complex numbers",
        "its result is complex, and a Value is real",
        "the real and the imaginary part as two Values",
        {
            "fft." + name: "np.cos(angles) @ v and -np.sin(angles) @ v, the two parts of it"
            for name in ["fft", "fft2", "fftn", "rfft", "rfft2", "rfftn", "hfft", "ihfft"]
        }
        | {
            "fft." + name: "sums of np.cos(angles) @ real and np.sin(angles) @ imaginary"
            for name in ["ifft", "ifft2", "ifftn", "irfft", "irfft2", "irfftn"]
        }
        | {
            "linalg.eig": "np.linalg.eigh(v) if v is symmetric",
            "linalg.eigvals": "np.linalg.eigvalsh(v) if v is symmetric",
            "roots": "np.roots(v.data)",
            "sort_complex": "np.sort(v)",
        },
    ),
    Group(
        "Sets",
        "how many entries its result has depends on the numbers",
        "the choice with plain NumPy, and v[indices]",
        {
            "unique": "v[np.unique(v.data, return_index=True)[1]]",
            "unique_all": "v[np.unique(v.data, return_index=True)[1]]",
            "unique_counts": "np.unique_counts(v.data)",
            "unique_inverse": "np.unique_inverse(v.data)",
            "unique_values": "v[np.unique(v.data, return_index=True)[1]]",
            "intersect1d": "v[np.intersect1d(v.data, w, return_indices=True)[1]]",
            "setdiff1d": "v[~np.isin(v.data, w)]",
            "setxor1d": "np.setxor1d(v.data, w)",
            "union1d": "np.union1d(v.data, w)",
            "trim_zeros": "v[first:last]",
        },
    ),
    Group(
        "Positions and counts",
        "its result is made of positions, counts or truth values, which have no derivative",
        "np.{name}(v.data)",
        plain("digitize in1d isin lexsort linalg.matrix_rank nanargmax nanargmin")
        | {
            "diag_indices_from": "np.diag_indices(len(v))",
            "ix_": "np.ix_ with plain arrays, and index the Value with what it returns",
            "ravel_multi_index": "np.ravel_multi_index with plain arrays",
            "tril_indices_from": "np.tril_indices(*v.shape)",
            "triu_indices_from": "np.triu_indices(*v.shape)",
            "unravel_index": "np.unravel_index with plain arrays",
        },
    ),
    Group(
        "Histograms",
        "counts jump where an entry changes bins and are constant elsewhere",
        "np.{name}(v.data), or a smooth count, such as a sum of te.activations.sigmoid",
        plain("histogram histogram2d histogram_bin_edges histogramdd"),
    ),
    Group(
        "Polynomials",
        "a polynomial is a row of coefficients, and this a line of other operations",
        "np.polyval for its values",
        {
            "poly": "np.convolve of the factors [1, -root]",
            "polyadd": "p + q, of equal lengths",
            "polyder": "p[:-1] * np.arange(len(p) - 1, 0, -1)",
            "polydiv": "np.polydiv with plain arrays",
            "polyfit": "np.linalg.pinv(np.vander(x, degree + 1)) @ y",
            "polyint": "np.append(p / np.arange(len(p), 0, -1), 0.0)",
            "polymul": "np.convolve(p, q)",
            "polysub": "p - q, of equal lengths",
        },
    ),
    Group(
        "Others without a rule",
        "nobody has written a rule for it, and other operations do as well",
        "te.define_elementwise with a rule of your own",
        {
            "i0": "",
            "linalg.lstsq": "np.linalg.pinv(a) @ b",
            "nanmedian": "np.median(v[~np.isnan(v.data)])",
            "nanpercentile": "np.percentile(v[~np.isnan(v.data)], q)",
            "nanquantile": "np.quantile(v[~np.isnan(v.data)], q)",
            "unwrap": "v + (np.unwrap(v.data) - v.data)",
        },
    ),
    Group(
        "Writing in place",
        "it writes into an existing array, and the gradient would be lost",
        "np.where(mask, new, v) or te.set_at(v, index, new), which return a new Value",
        plain("fill_diagonal place put put_along_axis putmask")
        | {
            "copyto": "np.where(mask, new, v) or te.set_at(v, index, new), and "
            "np.broadcast_to(v, shape) in place of np.full_like(array, v)"
        },
    ),
    Group(
        "Files",
        "files hold numbers, not graphs",
        "np.{name}(file, v.data)",
        plain("save savetxt savez savez_compressed"),
    ),
    Group(
        "Texts and dates",
        "it deals with texts or dates, and a Value holds real numbers",
        "np.{name} with plain arrays",
        plain("busday_count busday_offset datetime_as_string is_busday isnat"),
    ),
    Group(
        "Types and memory",
        "it asks about the array that a Value holds",
        "np.{name}(v.data), or v.dtype",
        plain("can_cast common_type may_share_memory min_scalar_type shares_memory")
        | {"einsum_path": "np.einsum_path with plain arrays"},
    ),
)

# Ways to make arrays that NumPy does not hand over to a Value, so that none can be supported.
NOT_HANDED_OVER: Mapping[str, str] = {
    "np.array([v, w]), np.asarray": "te.array([v, w]) or te.stack([v, w])",
    "np.r_[v, w], np.c_[v, w], np.mgrid, np.ogrid": "np.concatenate([v, w]), np.column_stack, "
    "np.meshgrid",
    "array[i] = v, array += v": "np.where, te.set_at, or array = array + v",
    "np.float64(v), np.int64(v), float(v)": "v.astype(dtype), or v.item() for the number",
    "np.arange(v), np.full(shape, v)": "v * np.arange(n), v * np.ones(shape), np.broadcast_to",
    "math.exp(v), and the rest of math": "np.exp(v)",
    "np.random.default_rng().normal(v, w)": "v + w * rng.standard_normal(n): numbers that are "
    "drawn first, then shifted and scaled",
    "np.vectorize(f)(v)": "f written with NumPy's functions, which take arrays",
}

GROUPS: Mapping[str, Group] = {name: group for group in UNSUPPORTED for name in group.names}


def reason(name: str) -> str | None:
    """Why a function of NumPy is not supported on a Value, and what to write instead.

    `name` is as in "linalg.eig", with or without a leading "numpy." or "np."; None if the table
    does not have it.
    """
    name = name.removeprefix("numpy.").removeprefix("np.")
    group = GROUPS.get(name)
    if group is None:
        return None
    return f"{group.why}; write {instead(name)}"


def instead(name: str) -> str:
    """What to write instead of a function that the table has."""
    group = GROUPS[name]
    return group.names[name] or group.instead.format(name=name)
