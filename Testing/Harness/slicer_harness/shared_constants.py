"""Works around a fault of PySide6 6.12 on Python 3.10 and 3.11.

Each call of a Qt method that returns nothing takes a reference from None without having given one (in Python 3.12 and
later such constants are immortal, and nothing is counted). After some ten thousand calls Python aborts with
"deallocating None". A stock of references that no process can use up keeps the constants alive.
"""

from __future__ import annotations

import ctypes
import sys

_STOCK = 1 << 40


def makeImmortal() -> None:
    """Gives the constants that Qt methods return their stock of references."""
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    for constant in (None, True, False):
        # the reference count is the first field of a CPython object
        count = ctypes.c_ssize_t.from_address(id(constant))
        if count.value < _STOCK:
            count.value += _STOCK
