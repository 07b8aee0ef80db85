#!/bin/bash
# sed -i with backups, awk redirecting into files, diff -r, patch and patch -R, ed, cmp
# packages: sed mawk patch diffutils ed
# core
mkdir old && for i in 1 2 3; do seq $((i * 10)) $((i * 30)) >old/f$i; done; cp -r old new
sed -i.bak -e '3s/.*/changed/' -e '$a last' new/f1; sed -i '/5$/d' new/f2 new/f3; sed -n 'w copied' new/f1; cmp copied new/f1
mkdir sub; ln -s ../new/f1 sub/l; sed -i --follow-symlinks s/changed/twice/ sub/l; readlink sub/l; sed -n 3p new/f1
awk '{ print $1 * 2 >("by" NR % 3) } END { close("by0"); while ((getline line <"by0") > 0) n += line; print n; print "e" | "cat >piped" }' old/f3
cat piped; wc -l by0 by1 by2 | tail -n1; rm new/f1.bak; diff -rq old new || true; diff -ruN --label a --label b old/f2 new/f2 >p2 || true
(diff -ruN old new || true) | sed 's/\t[0-9].*//' >all.patch; wc -l <all.patch; cp -r old patched && patch -s -p1 -d patched <all.patch && diff -r patched new && echo patched
patch -s -R -p1 -d patched <all.patch && diff -r patched old && echo reversed; patch -b -s patched/f2 p2; ls patched
printf "%s\n" 1d '$a' edited . w q | ed -s old/f1; head -n1 old/f1; tail -n1 old/f1; printf 'H\n,s/1/one/g\nw other\nq\n' | ed -s old/f1; cmp old/f1 other || true
sdiff -s -w 40 old/f1 other | head -n2 || true; cmp -l new/f2 old/f2 | head -n2 || true
