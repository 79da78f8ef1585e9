#!/bin/sh
# Install what the tests' clients in other languages need: pinned packages below tests/clients/<language>.
# A language that is not installed is named and left out; its tests then skip with the same words.
set -eu
cd "$(dirname "$0")/.."

for manifest in tests/clients/*/package-lock.json; do
    [ -e "$manifest" ] || continue
    folder=$(dirname "$manifest")
    if ! command -v npm >/dev/null; then
        echo "clients: npm is not installed, $folder is left out"
        continue
    fi
    stamp_file=out/clients-$(basename "$folder").stamp
    stamp=$({ node --version; cat "$folder/package.json" "$manifest"; } | sha256sum)
    if [ -d "$folder/node_modules" ] && [ "$(cat "$stamp_file" 2>/dev/null || true)" = "$stamp" ]; then
        continue
    fi
    echo "clients: installing the packages of $folder"
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error)
    printf '%s' "$stamp" >"$stamp_file"
done
