#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image: it installs the grader from the wheel in the archive.
set -euo pipefail

root=${AUTOGRADER_ROOT:-/autograder}
source=$root/source

apt-get update
apt-get install -y --no-install-recommends python3 python3-venv

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "The grader needs Python 3.11 or newer; this image has $(python3 --version). Choose a newer base image." >&2
    exit 1
fi

python3 -m venv "$root/venv"
"$root/venv/bin/python" -m pip install -c "$source/constraints.txt" "$source"/*.whl

# Not fatal: the machines that grade may offer more, or less, than the one that builds.
"$root/venv/bin/grader" doctor || echo "This machine cannot lock the code that it grades; see README.md."
