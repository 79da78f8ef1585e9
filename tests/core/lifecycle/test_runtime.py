"""The runtime's name out of a process's environment, or out of the operating system's."""

from __future__ import annotations

import pytest

from thimble.core.lifecycle.runtime import runtime_of_environment, runtime_of_system


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"PATH=/bin\0AWS_EXECUTION_ENV=AWS_Lambda_python3.13\0LANG=C\0", "python3.13"),
        (b"AWS_EXECUTION_ENV=AWS_Lambda_Image\0", "Image"),
        (b'AWS_EXECUTION_ENV="AWS_Lambda_nodejs22.x"\0', "nodejs22.x"),
        (b"NOTE=AWS_EXECUTION_ENV_x\0AWS_EXECUTION_ENV=AWS_Lambda_java21\0", "x"),
        (b"AWS_EXECUTION_ENV=\0", "ENV="),
        (b"PATH=/bin\0", None),
        (b"", None),
        (b"AWS_EXECUTION_ENV=AWS_Lambda_python3.13\0X=\xff\0", None),
    ],
)
def test_the_environment_tells_the_runtime_behind_the_last_underscore(data: bytes, expected: str | None) -> None:
    assert runtime_of_environment(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'NAME="Amazon Linux"\nPRETTY_NAME="Amazon Linux 2"\n', "provided.al2"),
        (b'PRETTY_NAME="Amazon Linux 2023.6.20250203"\n', "provided.al2023"),
        (b'PRETTY_NAME="Amazon Linux 2 (Karoo)"\n', "unknown"),
        (b'PRETTY_NAME="Debian GNU/Linux 12"\nPRETTY_NAME="Amazon Linux 2"\n', "unknown"),
        (b"", "unknown"),
        (b"\xff\xfe", "unknown"),
    ],
)
def test_the_system_tells_the_runtime_that_is_provided(data: bytes, expected: str) -> None:
    assert runtime_of_system(data) == expected
