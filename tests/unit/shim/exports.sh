#!/bin/bash
# exports.sh LIBRARY HOOKS: the library exports the rows of hooks.def and nothing else, without versions, and needs no other.
set -u
diff <(nm -D --defined-only "$1" | awk '{print $3}' | sort) \
	<(sed -n 's/^HOOK([a-z]*, \([A-Za-z0-9_]*\)).*/\1/p' "$2" | sort) || exit 1
if readelf -d "$1" | grep -q '(NEEDED)'; then
	echo "the library has a DT_NEEDED"
	exit 1
fi
