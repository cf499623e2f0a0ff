"""Types of arrays, by what they hold.

In: nothing. Out: aliases for annotations; shapes stand in docstrings.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # grey levels, or a mask {0, 1}
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Indices = NDArray[np.intp]
Names = NDArray[np.str_]
