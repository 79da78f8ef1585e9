"""In place of `importlib`'s `__init__`: what mypyc's modules reach through it, without `warnings` (1.2 ms, 0.1 MB).

They import `importlib.machinery` for ModuleSpec and `importlib._bootstrap` for module locks when they start. The
import system itself lives in `_frozen_importlib` and runs already; here it only gets its public names, as in the real
one. What differs: `import_module`, `reload` and `invalidate_caches` are missing.
"""

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _bootstrap_external
import sys

_bootstrap.__name__ = "importlib._bootstrap"
_bootstrap_external.__name__ = "importlib._bootstrap_external"
_bootstrap.__package__ = _bootstrap_external.__package__ = "importlib"
sys.modules["importlib._bootstrap"] = _bootstrap
sys.modules["importlib._bootstrap_external"] = _bootstrap_external
