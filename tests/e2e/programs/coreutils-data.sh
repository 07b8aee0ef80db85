#!/bin/bash
# coreutils: split, csplit, sort -o in place, shred, truncate, dd, tac, comm, join, checksums
# packages: coreutils
# core
seq 1 20000 >n && split -l 3000 n part. && cat part.* | cmp - n && split -b 10k --additional-suffix=.bin -d n b.
csplit -q -f c. n 5000 10000 && wc -l c.* part.*
sort -rn -o n n && head -n2 n && sort -n n -o n && tail -n1 n && sort -S 64k -R n --random-source=n | sort -nc 2>/dev/null || sort -n -S 32k -T . n | tail -n1
cp n wiped && shred -x -n 2 --random-source=/dev/zero -z wiped && od -An -tx1 -N4 wiped && shred -x -u part.aa && test ! -e part.aa
truncate -s 5 part.ab && truncate -s +100K part.ac && truncate -s %4096 part.ad && stat -c '%n %s' part.*
dd if=n of=holes bs=100 count=3 seek=1000 conv=notrunc status=none && dd if=n of=holes bs=1 seek=7 count=5 conv=notrunc,fsync status=none
dd if=holes bs=10 skip=9999 count=4 status=none | od -c | head -n3
dd if=n of=upper conv=ucase,fdatasync oflag=append bs=4k status=none; dd if=n bs=64k of=direct status=none iflag=fullblock; cmp direct n
tac n >reversed; paste n reversed | sed -n '1p;$p'; comm -12 <(sort n | head -n 50) <(sort reversed) | wc -l; join <(sort n) <(sort c.00) | wc -l
cut -c1-2 n | uniq -c | sort -rn | head -n2; nl c.01 | tail -n1; fold -w 3 c.02 | wc -l; shuf --random-source=n -n 3 n >shuffled; wc -l <shuffled
md5sum n c.* >sums && sha256sum n >>other && b2sum n reversed >b2 && md5sum -c --quiet sums && b2sum -c b2 && cksum n
tee t1 t2 <n >t3 && cmp t1 t2 && cmp t2 t3; head -c -100 n | wc -c; tail -c +100000 n | wc -c; base64 n | base64 -d | cmp - n
echo appended | tee -a t1 >/dev/null; tail -n1 t1; expr "$(wc -c <t1)" - "$(wc -c <t2)"; numfmt --to=iec 123456; od -An -tu1 -j3 -N4 n; tsort <<<"a b b c"
