#!/bin/bash
# busybox of Debian's source, built with musl-gcc: its shell and some sixty applets, a user land without glibc
# built: busybox-musl
# core
mkdir -p "$TMPDIR/bin" && "$BUILT/busybox-musl" --list | while read -r a; do ln -s "$BUILT/busybox-musl" "$TMPDIR/bin/$a"; done
export PATH=$TMPDIR/bin
exec "$BUILT/busybox-musl" sh -eu <<'S'
mkdir -p a/b && seq 1 2000 >a/n && ln -s n a/l && echo two >a/b/two && chmod 640 a/b/two && touch -d '2020-01-02 03:04:05' a/n
cp -a a c && diff -r a c && stat -c '%n %F %a %s' a/n c/l c/b/two && stat -c %Y c/n; cat a/n | wc -l; tac a/n | head -n 1; tail -n 2 a/n; sort -rn a/n -o r && head -n1 r
sed -i 's/^10$/ten/' a/n && grep -n ten a/n && grep -rl two . | sort; awk '{ s += $1 } END { print s }' c/n; find . -type f | sort | xargs md5sum | md5sum; find . -name two -exec cat {} \;
tar -cf t.tar a && tar -tf t.tar | sort && mkdir x && tar -xf t.tar -C x && diff -r a x/a && tar -czf t.tgz a && tar -xzOf t.tgz a/b/two; rm t.tar t.tgz
gzip -c a/n >n.gz && gunzip -c n.gz | cmp - a/n && bzip2 -k r && bunzip2 -c r.bz2 | cmp - r; rm r.bz2 n.gz; find a | cpio -o -H newc 2>/dev/null | cpio -t 2>/dev/null | sort
dd if=a/n of=d bs=100 count=3 seek=2 2>/dev/null; dd if=a/n of=d bs=1 count=4 conv=notrunc 2>/dev/null; od -c d | head -n 2; hexdump -C d | tail -n1; truncate -s 5000 d; wc -c <d
mv c/b moved && ls -1 . c moved && rmdir x 2>/dev/null || rm -r x; mkdir -p i/j && cp a/b/two i/j/two && chmod 755 i/j/two && ls -l i/j | awk '{ print $1, $5 }'; readlink a/l; realpath a/l; test a/l -ef a/n && echo same
diff -u r a/n >p || true; wc -l <p; cp r q && patch q p && cmp q a/n && echo patched; rm p q; printf '%s\n' 'echo script $0 $1; cat "$0" | wc -l' >run && chmod +x run && ./run x; sh run y
exec 3>three; echo one >&3; exec 3>&-; cat three; (cd a/b && pwd && cat ../../three); pwd; cat <<X >here
$(cat three) here
X
cat here; mktemp -p . f.XXXXXX | cut -c1-4; rm f.*; xargs -n1 -P3 sh -c 'echo $0 >many.$0' <<X
1 2 3
X
cat many.*; ls *.1 m*; cut -c1 r | uniq | head -n3 | tr -d '\n'; echo; tee t1 t2 <three; cmp t1 t2; sha256sum t1 >sums; sha256sum -c sums; du -s . >/dev/null; printf 'w\nq\n' | ed t1 2>/dev/null || true; unlink t2; shuf -n 3 r | wc -l; ls
S
