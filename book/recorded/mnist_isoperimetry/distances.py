"""Distances between points of different label, and how often the nearest point has another
label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils.bracket import Estimate

_BLOCK = 512


@dataclass(frozen=True)
class Separation:
    """Distances between points of different label, and how often the nearest point has another
    label.

    typical: root of the mean squared distance of two points of different label. median_nearest: the
    median over points of the distance to the nearest point of another label. minimum: the smallest
    of them, which has no error: it belongs to this sample. neighbour_error: the share of points
    whose nearest other point has another label.
    """

    typical: Estimate
    median_nearest: Estimate
    minimum: float
    neighbour_error: Estimate


def separation(X: Float[ndarray, "n d"], labels: Int[ndarray, "n"]) -> Separation:
    """The three distances δ between labels and the error of the nearest neighbour, over all pairs
    of the sample.

    typical² = mean of ‖x_i − x_j‖² over pairs with different labels, in closed form; its error is a
    jackknife over 20 groups of points. The errors of the median (half the distance between its 16 %
    and 84 % order-statistic limits) and of neighbour_error (binomial) treat points as independent;
    they share neighbours, and fresh samples scatter up to about twice as much. The pairs are
    screened in single precision; the distances returned are computed from x_i − x_j in double
    precision.

    Parameters: X points (n, d); labels (n,), at least two different and each at least twice, with
    at least 20 points in all.

    Raises ValueError on wrong shapes, non-finite entries, fewer than 20 points, a single label, or
    a label that occurs once.
    """
    X = check.matrix(X, rows_at_least=20)
    labels = np.asarray(check.vector(labels, "labels", length=len(X)))
    names, sizes = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise ValueError(
            f"labels are all {labels[0]:g}; there are no two points of different label"
        )
    if sizes.min() < 2:
        raise ValueError(
            f"label {names[sizes.argmin()]:g} occurs once; every label is needed at least twice"
        )
    own, other = _nearest_by_label(X, labels)
    nearest, n = np.sort(other), len(X)
    low, high = nearest[int(n / 2 - np.sqrt(n) / 2)], nearest[int(n / 2 + np.sqrt(n) / 2)]
    group = np.arange(n) % 20
    left = np.array([_mean_square_between(X[group != g], labels[group != g]) for g in range(20)])
    mean_square, wrong = _mean_square_between(X, labels), float(np.mean(other < own))
    error = np.sqrt(19 * left.var()) / (2 * np.sqrt(mean_square))
    return Separation(
        Estimate(float(np.sqrt(mean_square)), float(error)),
        Estimate(float(np.median(nearest)), float((high - low) / 2)),
        float(nearest[0]),
        Estimate(wrong, float(np.sqrt(wrong * (1 - wrong) / n))),
    )


def _mean_square_between(X: Float[ndarray, "n d"], labels: Float[ndarray, "n"]) -> float:
    """Mean ‖x_i − x_j‖² over ordered pairs of different label: all pairs minus those within a
    label, each in closed form."""
    sums, total = [], 0.0
    for part in (labels == c for c in np.unique(labels)):
        m = int(part.sum())
        squares, s = float(np.einsum("ij,ij->", X[part], X[part])), X[part].sum(axis=0)
        sums.append((m, squares, s))
        total -= 2 * (m * squares - s @ s)
    m, squares, s = sum(a[0] for a in sums), sum(a[1] for a in sums), sum(a[2] for a in sums)
    return float(total + 2 * (m * squares - s @ s)) / float(m**2 - sum(a[0] ** 2 for a in sums))


def _nearest_by_label(
    X: Float[ndarray, "n d"], labels: Float[ndarray, "n"]
) -> tuple[Float[ndarray, "n"], Float[ndarray, "n"]]:
    """For each point the distances to the nearest other point of its own label and to the nearest
    of another label."""
    order = np.argsort(labels, kind="stable")  # each label is one stretch
    A = (X[order] - X.mean(axis=0)).astype(np.float32)
    norm2, own, other = np.einsum("ij,ij->i", A, A), np.empty(len(X)), np.empty(len(X))
    first = 0
    for size in np.unique(labels, return_counts=True)[1]:
        last = first + int(size)
        for start in range(first, last, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, last))
            d2 = A[rows] @ A.T
            d2 *= -2
            d2 += norm2
            d2[np.arange(len(rows)), rows] = np.inf
            inner = first + d2[:, first:last].argmin(axis=1)
            d2[:, first:last] = np.inf
            for out, near in ((own, inner), (other, d2.argmin(axis=1))):
                out[order[rows]] = np.linalg.norm(X[order[rows]] - X[order[near]], axis=1)
        first = last
    return own, other
