#!/bin/sh
# Renew the hash locks. One lock per layer holds for Python 3.11 and later on every platform.
# Needs uv. The files carry no index address: whoever installs them uses the index of their own machine.
set -eu
cd "$(dirname "$0")"
lock() {
    out=$1
    shift
    uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --output-file "$out" "$@"
}
lock run.txt ../pyproject.toml build.in
lock test.txt ../pyproject.toml build.in test.in --constraint run.txt
lock bench.txt ../pyproject.toml build.in bench.in --constraint run.txt
lock docs.txt ../pyproject.toml build.in docs.in --constraint run.txt
lock bench-source.txt build.in bench-source.in --constraint run.txt
lock audit.txt build.in audit.in --constraint run.txt --constraint test.txt --constraint docs.txt
