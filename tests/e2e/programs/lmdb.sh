#!/bin/bash
# LMDB: a memory map written by its own tools, copied, compacted, dumped
# packages: lmdb-utils
# core
# differs: db/lock.mdb copy/lock.mdb compact/lock.mdb
mkdir db copy compact
{ printf 'VERSION=3\nformat=print\ntype=btree\nmapsize=16777216\nmaxreaders=126\nHEADER=END\n'; for i in $(seq 1000 3000); do printf ' key%s\n value of %s\n' "$i" "$i"; done; echo DATA=END; } >in
mdb_load -f in db && mdb_stat -e db | grep -v 'Map address' && mdb_dump -p db | sha256sum
sed -i 's/value of/changed/' in && mdb_load -f in db && mdb_copy db copy && mdb_copy -c db compact && mdb_stat copy && for d in db copy compact; do mdb_dump -p $d | grep -v mapsize | sha256sum; done
sed 's/ key/ more/' in | mdb_load db && mdb_stat db | tail -n 3; mdb_dump db | wc -l; mdb_drop 2>/dev/null || true; ls -R
