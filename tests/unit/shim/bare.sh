#!/bin/bash
# bare.sh LIBRARY BROKER: without s3run the first touch starts the daemon that lies beside the library, once for the same
# settings; the program's wait() never sees it.
set -u
tmp=$(mktemp -d) || exit 2
trap 'cut -d" " -f1 "$tmp/root.log" 2>/dev/null | xargs -r kill; rm -rf "$tmp"' EXIT
cp "$1" "$tmp/libs3shim.so"
cp "$2" "$tmp/s3shimd"
mkdir -m 700 "$tmp/root" "$tmp/run"
echo hello >"$tmp/root/data"
unset S3SHIM_SOCKET S3SHIM_ROUTES
export S3SHIM_BUCKET=$tmp/root S3SHIM_MOUNT=/mnt-of-test XDG_RUNTIME_DIR=$tmp/run
bad=0
check() { # check WANT COMMAND...
	local want=$1 have
	shift
	have=$(LD_PRELOAD=$tmp/libs3shim.so timeout 30 "$@" 2>&1)
	[ "$have" = "$want" ] || { printf '%s\n--- want\n%s\n--- have\n%s\n' "$*" "$want" "$have"; bad=1; }
}
started() { # started N: so many daemons until now
	[ "$(wc -l <"$tmp/root.log" 2>/dev/null || echo 0)" = "$1" ] || { echo "started $(cat "$tmp/root.log"), want $1"; bad=1; }
}
check hello bash -c 'echo hello'
[ ! -e "$tmp/root.log" ] || { echo "started for nothing"; bad=1; }
check hello cat /mnt-of-test/data
check hello sh -c 'cat /mnt-of-test/data'
started 1
check 'hello no child' python3 -c '
import os
s = open("/mnt-of-test/data").read().strip()
try: os.waitpid(-1, os.WNOHANG); print("a child")
except ChildProcessError: print(s, "no child")'
grep -q preloaded "$tmp/root.log" && { echo "the daemon was preloaded"; bad=1; }
export AWS_PROFILE=other
check 'hello no child' python3 -c '
import os
s = open("/mnt-of-test/data").read().strip()
try: os.waitpid(-1, os.WNOHANG); print("a child")
except ChildProcessError: print(s, "no child")'
started 2
chmod 755 "$tmp/run/s3shim"
export AWS_PROFILE=third
LD_PRELOAD=$tmp/libs3shim.so cat /mnt-of-test/data >/dev/null 2>&1 && { echo "a folder of others was believed"; bad=1; }
exit $bad
