#!/bin/sh
# Runs the client tests against a built broker. Arguments go to pytest.
#   RMQTT_BROKER  the broker to test, by default build/bin/rmqtt-broker
#   RMQTT_VENV    where the Python environment is kept, by default build/venv
#   RMQTT_NODE    where the packages for node are kept, by default build/node
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
venv=${RMQTT_VENV:-$repo/build/venv}
node=${RMQTT_NODE:-$repo/build/node}
stamp=$venv/requirements.txt

# The copy is written last, so a half-made environment is made again.
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$stamp"
fi
if ! cmp -s "$here/node/package-lock.json" "$node/installed.json"; then
    mkdir -p "$node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$node"
    (cd "$node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$here/node/package-lock.json" "$node/installed.json"
fi
export NODE_PATH="$node/node_modules"

# Test files among the arguments are named from here.
cd "$here"
exec "$venv/bin/python" -B -m pytest "$@"
