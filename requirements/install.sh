#!/bin/sh
# Make .venv and install the hash-locked layers named as arguments, then the project itself.
# Does nothing when everything is there already.  PYTHON=... chooses the interpreter, VENV=... the folder.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
venv=${VENV:-.venv}
say() { printf 'set-up: %s\n' "$*" >&2; }

# A stamp holds the digest of what was installed, so that a second call costs nothing.
digest() { cat requirements/"$1".txt pyproject.toml | cksum; }
missing=
for layer in "$@"; do
    stamp=$venv/.installed-$layer
    if [ ! -x "$venv/bin/python" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$(digest "$layer")" ]; then
        missing="$missing $layer"
    fi
done
[ -n "$missing" ] || exit 0

recent() { "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if command -v "$name" >/dev/null 2>&1 && recent "$name"; then
            command -v "$name"
            return
        fi
    done
    say "Python 3.11 or later was not found. Install it (Debian, Ubuntu: apt install python3 python3-venv),"
    say "or say where it is: make PYTHON=/path/to/python3.12 ..."
    exit 1
}

uv=$(command -v uv || true)
if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    say "making $venv with $("$python" --version 2>&1)"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        rm -rf "$venv"
        if [ -n "$uv" ]; then
            "$uv" venv --quiet --python "$python" "$venv"
        else
            version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            say "Python cannot make a virtual environment: its venv or ensurepip module is missing."
            say "On Debian or Ubuntu: apt install python$version-venv; then call make again."
            exit 1
        fi
    fi
fi
if ! recent "$venv/bin/python"; then
    say "$venv holds a Python older than 3.11; delete that folder and call make again"
    exit 1
fi

for layer in $missing; do
    say "installing layer $layer ($(grep -c '==' "requirements/$layer.txt") locked packages)"
    if [ -n "$uv" ]; then
        "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "requirements/$layer.txt"
    else
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r "requirements/$layer.txt"
    fi
done
say "installing tme_sim itself"
if [ -n "$uv" ]; then
    "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
fi
for layer in $missing; do
    digest "$layer" >"$venv/.installed-$layer"
done
say "ready"
