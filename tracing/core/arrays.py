"""Names of the array types that stores, engines and kernels hand to one another."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Words = NDArray[np.uint64]  # eight bytes as a big-endian number, so that comparing numbers compares bytes
