"""Memorizers: functions that fit given labels, as interchangeable frozen objects.

Read in order: `mcshane`, the interface and the floor below which no function gets; `bumps`, one bump a point, also
after a fixed projection; `baum`, about one parameter a point; `linear`, where everything can be solved; `one_number`,
which shows why the size of a parameter matters. Apart from McShane, an object keeps the numbers that it counts as its
parameters and not the data. Used from the chapter "Robust memorization" on, above all in "Size against robustness".
"""

from .baum import Baum
from .bumps import Bumps, Projected, projected_bumps, projection
from .linear import LeastSquares, MinNormLinear
from .mcshane import McShane, Memorizer
from .one_number import OneNumber

__all__ = [
    "Memorizer",
    "McShane",
    "Bumps",
    "Projected",
    "projected_bumps",
    "projection",
    "Baum",
    "MinNormLinear",
    "LeastSquares",
    "OneNumber",
]
