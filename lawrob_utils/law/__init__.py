"""The law of robustness in numbers: its scale, its theorems with their printed constants, and its count of bits.

Read in order: `curve` (the scale √(nd/P), with constant 1); `theorems` (the finite-class and the parametrized theorem as printed
in the first version, and what they need: nets of a ball, deep networks, sparsity); `bits` (the certificate whose constants are not
vacuous, code lengths, and what robustness costs in bits); `real_data` (the estimate for MNIST and ImageNet). Used from the chapter
"Robust memorization" on, most in "The law of robustness" and "The law with honest constants".
"""

from .bits import (
    bit_certificate,
    bits_needed,
    certified_lipschitz,
    choice_bits,
    counting_radius,
    enumerative_bits,
    robust_bits,
    robust_radius,
)
from .curve import law_curve, parameters_needed
from .real_data import Guess, effective_dimension, log_shares, transferred_parameters
from .theorems import (
    depth_log_J,
    finite_class_failure,
    lipschitz_lower_bound,
    log_net_size,
    points_needed,
    product_log_J,
    sparse_log_net_size,
)

__all__ = [
    "law_curve",
    "parameters_needed",
    "finite_class_failure",
    "lipschitz_lower_bound",
    "points_needed",
    "log_net_size",
    "sparse_log_net_size",
    "depth_log_J",
    "product_log_J",
    "bit_certificate",
    "certified_lipschitz",
    "bits_needed",
    "enumerative_bits",
    "choice_bits",
    "robust_bits",
    "robust_radius",
    "counting_radius",
    "Guess",
    "effective_dimension",
    "transferred_parameters",
    "log_shares",
]
