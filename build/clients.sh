#!/bin/sh
# Install what the tests' clients in other languages need: pinned packages below tests/clients/<language>.
# A language that is not installed, or whose registry does not answer, is named and left out; its tests then skip with
# the same words. Node's packages lie beside their manifest, everything else in out/clients/<language>.
set -eu
cd "$(dirname "$0")/.."
mkdir -p out/clients

# is_current <stamp name> <file that must exist> <text that everything depends on>
is_current() {
    stamp_file=out/clients-$1.stamp
    stamp=$(printf '%s' "$3" | sha256sum)
    [ -e "$2" ] && [ "$(cat "$stamp_file" 2>/dev/null || true)" = "$stamp" ]
}

# install <folder> <function>: run it, and remember that it was done.
install() {
    echo "clients: installing the packages of $1"
    if ("$2" "$1"); then
        printf '%s' "$stamp" >"$stamp_file"
    else
        rm -f "$stamp_file"
        echo "clients: THE PACKAGES OF $1 COULD NOT BE INSTALLED, the tests that use them will skip" >&2
    fi
}

# lacks <folder> <program>...: say which program is missing.
lacks() {
    folder=$1
    shift
    for program in "$@"; do
        command -v "$program" >/dev/null && continue
        echo "clients: $program is not installed, $folder is left out"
        return 0
    done
    return 1
}

# Their commands are joined by &&: in a condition the shell does not stop at a failing one.
# The runtime interface client is compiled; with Node's own headers at hand nothing else has to be fetched for that.
node_packages() {
    root=$(dirname "$(dirname "$(command -v node)")")
    [ ! -e "$root/include/node/node.h" ] || export npm_config_nodedir="$root"
    cd "$1" && npm ci --no-audit --no-fund --loglevel=error
}

python_packages() {
    rm -rf out/clients/python &&
        "$(sh build/prerequisites.sh --python)" -m venv out/clients/python &&
        PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
            out/clients/python/bin/python -m pip install --quiet -r "$1/requirements.txt"
}

go_program() {
    target=$PWD/out/clients/go
    rm -rf "$target" && cd "$1" &&
        CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local go build -trimpath -o "$target/" ./...
}

java_program() {
    target=$PWD/out/clients/java
    rm -rf "$target" &&
        mvn --batch-mode --quiet -Dstyle.color=never --file "$1/pom.xml" \
            dependency:copy-dependencies "-DoutputDirectory=$target/lib" &&
        javac -encoding UTF-8 -cp "$target/lib/*" -d "$target/classes" "$1"/*.java
}

folder=tests/clients/python
text=$(cat "$folder/requirements.txt" build/prerequisites.sh)
is_current python out/clients/python/bin/python "$text" || install "$folder" python_packages

for manifest in tests/clients/*/package-lock.json; do
    [ -e "$manifest" ] || continue
    folder=$(dirname "$manifest")
    lacks "$folder" node npm && continue
    text=$(node --version && cat "$folder/package.json" "$manifest")
    is_current "$(basename "$folder")" "$folder/node_modules" "$text" || install "$folder" node_packages
done

folder=tests/clients/go
if ! lacks "$folder" go; then
    text=$(go version && cat "$folder"/go.* "$folder"/*.go)
    is_current go out/clients/go/metrics "$text" || install "$folder" go_program
fi

folder=tests/clients/java
if ! lacks "$folder" java javac mvn; then
    text=$(java -version 2>&1 && cat "$folder"/pom.xml "$folder"/*.java)
    is_current java out/clients/java/classes "$text" || install "$folder" java_program
fi
