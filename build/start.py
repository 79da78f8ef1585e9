"""Runs before stage 0: where the files of packages lie that are inside libpython.

A frozen package looks for its other modules below this folder (CPython 3.11, FrozenImporter); the interpreter sets it
only when it finds a standard library there.
"""

import sys

sys._stdlib_dir = sys.prefix
