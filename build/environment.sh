#!/bin/sh
# Make out/venv: the pinned development environment. Quick when nothing changed.
set -eu
cd "$(dirname "$0")/.."

sh build/prerequisites.sh
python=$(sh build/prerequisites.sh --python)
stamp_file=out/venv/thimble.stamp
stamp=$({ "$python" -VV; echo "$python"; cat pyproject.toml build/constraints.txt build/environment.sh; } | sha256sum)

if [ -x out/venv/bin/python ] && [ "$(cat "$stamp_file" 2>/dev/null || true)" = "$stamp" ]; then
    echo "venv: out/venv is up to date"
    exit 0
fi
mkdir -p out
if ! out/venv/bin/python -c 'import pip' 2>/dev/null; then
    echo "venv: creating out/venv from $python"
    rm -rf out/venv
    "$python" -m venv out/venv
fi
echo "venv: installing the pinned packages (about a minute the first time)"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=build/constraints.txt PIP_NO_INPUT=1
out/venv/bin/python -m pip install --quiet setuptools wheel
THIMBLE_BUILD=pure out/venv/bin/python -m pip install --quiet --no-build-isolation --editable '.[dev]'
printf '%s' "$stamp" >"$stamp_file"
echo "venv: out/venv is ready"
