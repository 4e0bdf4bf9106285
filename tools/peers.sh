#!/bin/sh
# Unpack programs of Debian that podwire is compared with into .venv/peers. Nothing is installed: no service starts, no
# port is taken, and the machine stays as it is. Without apt-get there are none: what needs them is skipped.
# Usage: tools/peers.sh PACKAGE...
set -eu
cd "$(dirname "$0")/.."
command -v apt-get >/dev/null || exit 0
mkdir -p .venv/peers
for package; do
    [ ! -e ".venv/peers/.$package" ] || continue
    [ "$(id -u)" != 0 ] || apt-cache show "$package" >/dev/null 2>&1 || apt-get update -qq
    work=$(mktemp -d)
    if (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package" >/dev/null); then
        dpkg -x "$work"/*.deb .venv/peers
        touch ".venv/peers/.$package"
    else
        echo "package $package cannot be downloaded: what compares podwire with it is skipped" >&2
        [ "$(id -u)" != 0 ] || exit 1
    fi
    rm -r "$work"
done
