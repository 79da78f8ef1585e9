"""PEP 517 backend: setuptools, plus the compilers when the compiled form is asked for.

A pure install must not download mypy and Cython; `build-system.requires` cannot depend on the environment, this can.
"""

from __future__ import annotations

import os

from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from setuptools.build_meta import get_requires_for_build_wheel as _pure_requirements

COMPILERS = ["mypy==2.4.1", "cython==3.3.1"]
"""The same pins as in the extra `dev`; a test compares them."""

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def get_requires_for_build_wheel(config_settings: dict[str, object] | None = None) -> list[str]:
    """Answer what a build of the wheel needs, by the form that THIMBLE_BUILD names."""
    requirements = list(_pure_requirements(config_settings))
    if os.environ.get("THIMBLE_BUILD", "pure") == "compiled":
        requirements += COMPILERS
    return requirements
