#!/bin/bash
# What the examples share; sourced. Sets $top (the checkout), $products (s3run and its kin) and $tmp (a folder that goes
# at the end, with the server that was started), and leads staging and log into $tmp.
#
# S3SHIM_BUILD  a folder with the products: nothing is installed and built then
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
products=$(realpath -m "${S3SHIM_BUILD:-$top/build/release}")
gateway=

bold=$(printf '\033[1m') plain=$(printf '\033[0m')
[ -t 1 ] || bold='' plain=''

say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
die() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

# show COMMAND...: the command, then what it does
show() {
	printf '$'
	printf ' %q' "$@"
	printf '\n'
	"$@"
}

cleanup() {
	[ -z "$gateway" ] || kill "$gateway" 2>/dev/null
	rm -rf "$tmp"
}

tmp=$(mktemp -d "/var/tmp/s3shim-$(basename "$0" .sh)-XXXXXX") || exit 1
trap cleanup EXIT
trap 'exit 130' INT TERM
export S3SHIM_CACHE_DIR=$tmp/staging S3SHIM_LOG=$tmp/broker.log
mkdir -p "$S3SHIM_CACHE_DIR"

# build_products: installs what is missing and builds; the first time takes a minute or two.
build_products() {
	[ -z "${S3SHIM_BUILD:-}" ] || return 0
	say "Installing and building (the first time a minute or two; build/examples.log)"
	"$top/tests/support/install.sh" demo || exit 1
	mkdir -p "$top/build"
	(cd "$top" && cmake --preset release && cmake --build --preset release) >"$top/build/examples.log" 2>&1 ||
		{ tail -n 30 "$top/build/examples.log"; die "the build failed, see $top/build/examples.log"; }
	ls -l "$products"/{libs3shim.so,s3run,s3shimd,s3ctl} || exit 1
}

# start_versitygw BUCKET...: an S3 server of our own on loopback, and the settings to reach it. Settings of the caller's
# own that would lead elsewhere are dropped.
start_versitygw() {
	local gw port
	gw=$("$top/tests/support/install.sh" versitygw) || return 1
	port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	unset AWS_SESSION_TOKEN AWS_PROFILE S3SHIM_CONFIG S3SHIM_PREFIX S3SHIM_MOUNT S3SHIM_BUCKET
	export AWS_ACCESS_KEY_ID=AK0LOOPBACK0EXAMPLE AWS_SECRET_ACCESS_KEY=sk-of-the-loopback-example AWS_REGION=us-east-1
	export S3SHIM_ENDPOINT=http://127.0.0.1:$port
	(cd "$tmp" && mkdir -p gw && cd gw && mkdir "$@") || return 1 # with the posix backend a folder is a bucket
	ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY "$gw" --port "127.0.0.1:$port" --keep-alive \
		--quiet posix "$tmp/gw" >"$tmp/gw.log" 2>&1 &
	gateway=$!
	for _ in $(seq 100); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
		kill -0 "$gateway" 2>/dev/null || break
		sleep 0.1
	done
	kill "$gateway" 2>/dev/null
	gateway=
	return 1
}

# try_bwrap: can programs be run in a box here? Says why not.
try_bwrap() {
	local said
	command -v bwrap >/dev/null || { echo "bwrap is not installed (Debian: bubblewrap)"; return 1; }
	said=$(bwrap --unshare-all --ro-bind / / true 2>&1) || { echo "bwrap cannot make a box here: $said"; return 1; }
}
