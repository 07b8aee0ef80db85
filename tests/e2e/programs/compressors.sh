#!/bin/bash
# gzip, bzip2, xz, zstd, lz4, brotli, lzip, pigz: in place, by pipe, tested, appended
# packages: gzip bzip2 xz-utils zstd lz4 brotli lzip pigz
# core
seq 60000 >n
squeeze() { # suffix, command: in place, test, by pipe, back
	local made=f$1
	shift
	cp n f; touch -d 2020-02-02 f; "$@" f; test ! -e f; stat -c '%n %Y' "$made"; "$1" -t "$made" 2>/dev/null; "$1" -dc <"$made" | cmp - n
	cp "$made" "kept.$1"; if [ "$1" = lz4 ]; then lz4 -qdm "$made"; else "$1" -dk "$made"; fi 2>/dev/null; rm -f "$made"; cmp f n; rm f; ls
}
squeeze .gz gzip -n; squeeze .bz2 bzip2; squeeze .xz xz; squeeze .zst zstd -q --rm; squeeze .lz4 lz4 -q -m --rm; squeeze .br brotli -j; squeeze .lz lzip
squeeze .gz pigz -n
gzip -nk n; gzip -nc n >>n.gz; zcat n.gz | wc -l; zgrep -c 777 n.gz; xz -k -T2 n; xzcat n.xz | tail -n1; xz -l n.xz | wc -l
bzip2 -k n; bzcat n.bz2 | sha256sum; zstd -q -19 n -o n.zst; zstdcat n.zst | md5sum; zdiff n.gz n >/dev/null || echo differ
