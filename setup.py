"""Build either form of the package from one source; everything else stands in pyproject.toml.

    THIMBLE_BUILD=pure      nothing compiled (the default)
    THIMBLE_BUILD=compiled  one mypyc group and the Cython kernels; a module that is missing fails the build

THIMBLE_COMPILE_ONLY=core,config narrows the group to some folders (for work on one of them; never shipped).
All outputs go to out/: the folder `build/` holds sources here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "build"))

import forms  # noqa: E402 (lives in build/, which is no package)

OUT = os.environ.get("THIMBLE_SETUP_OUT") or "out/setuptools"


def main() -> None:
    arguments: dict[str, Any] = {}
    if forms.chosen_form() == "compiled":
        import extensions  # imports what only this form needs

        only = tuple(name for name in os.environ.get("THIMBLE_COMPILE_ONLY", "").split(",") if name)
        folders = only or forms.FOLDERS
        roots = () if only else forms.ROOTS
        extensions.CompiledBuildPy.folders = folders
        extensions.CompiledBuildPy.roots = roots
        building = any(command.startswith(("build", "bdist", "install", "develop")) for command in sys.argv[1:])
        arguments["ext_modules"] = extensions.compiled_extensions(folders, roots) if building else []
        arguments["cmdclass"] = {"build_ext": extensions.CachedBuildExt, "build_py": extensions.CompiledBuildPy}
    os.chdir(ROOT)
    Path("out").mkdir(exist_ok=True)
    setup(
        # Relative: setuptools keeps these paths in a list that outlives a move of the tree.
        options={"build": {"build_base": OUT}, "egg_info": {"egg_base": "out"}},
        **arguments,
    )


if __name__ == "__main__":
    try:
        main()
    except forms.BuildError as error:
        sys.exit(f"build: {error}")
