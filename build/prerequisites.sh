#!/bin/sh
# Name what a build needs and this machine lacks, and how to get it; `--python` prints the chosen Python 3.11 instead.
#
# A build needs: Python 3.11 with venv, its headers and its shared library (PyInstaller freezes that one), a C compiler,
# binutils (strip, objdump) and make. Debian's Python comes first: it links more of the standard library into its
# libpython, which loads faster. THIMBLE_PYTHON=<path> overrides the choice.
set -eu

facts='
import os, sys, sysconfig
lacks = []
if sys.version_info[:2] != (3, 11):
    lacks.append("version")
try:
    import ensurepip, venv
except ImportError:
    lacks.append("venv")
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    lacks.append("headers")
folder, name = sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or ""
if not sysconfig.get_config_var("Py_ENABLE_SHARED") or not os.path.exists(os.path.join(folder, name)):
    lacks.append("library")
print(" ".join(lacks) or "nothing")
'

# The first interpreter that lacks nothing wins; else the one that lacks least is what we report about.
chosen='' lacks='python' fewest=9
for candidate in "${THIMBLE_PYTHON:-}" /usr/bin/python3.11 /usr/local/bin/python3.11 \
    "$(command -v python3.11 2>/dev/null || true)" "$HOME"/.pyenv/versions/3.11.*/bin/python3.11; do
    [ -n "$candidate" ] && [ -x "$candidate" ] || continue
    found=$("$candidate" -I -c "$facts" 2>/dev/null) || continue
    case " $found " in *' version '*) continue ;; esac
    [ "$found" = nothing ] && { chosen=$candidate lacks=''; break; }
    count=$(echo "$found" | wc -w)
    [ "$count" -lt "$fewest" ] && { chosen=$candidate lacks=$found fewest=$count; }
    [ "$candidate" = "${THIMBLE_PYTHON:-}" ] && break
done

if [ "${1:-}" = --python ]; then
    [ -n "$chosen" ] && [ -z "$lacks" ] || exit 1
    echo "$chosen"
    exit 0
fi

missing=0 debian='' amazon=''
report() { # what, Debian packages, Amazon Linux 2023 packages
    missing=1
    echo "Missing: $1" >&2
    debian="$debian $2" amazon="$amazon $3"
}
for need in $lacks; do
    case $need in
    python) report 'Python 3.11' 'python3.11 python3.11-venv python3.11-dev libpython3.11' 'python3.11 python3.11-devel' ;;
    venv) report "the modules venv and ensurepip of $chosen" python3.11-venv python3.11-pip ;;
    headers) report "the header files of $chosen" python3.11-dev python3.11-devel ;;
    library) report "the shared library of $chosen" libpython3.11 python3.11-libs ;;
    esac
done
command -v gcc >/dev/null || command -v cc >/dev/null || report 'a C compiler' 'gcc libc6-dev' 'gcc glibc-devel'
command -v strip >/dev/null && command -v objdump >/dev/null || report 'strip and objdump' binutils binutils
command -v make >/dev/null || report make make make

if [ "$missing" = 1 ]; then
    echo "On Debian or Ubuntu:    sudo apt-get install$debian" >&2
    echo "On Amazon Linux 2023:   sudo dnf install$amazon" >&2
    exit 1
fi
