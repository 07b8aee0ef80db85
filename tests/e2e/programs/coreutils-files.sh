#!/bin/bash
# coreutils: cp -a, mv over devices, ln -s, install, rm -r, stat, touch, realpath, test
# packages: coreutils
# core
mkdir -p a/b/c && seq 100 >a/one && printf x >a/b/two && : >a/b/c/empty
ln -s one a/link && ln -s ../gone a/b/dangling && ln -s b a/folder
chmod 640 a/one; chmod 750 a/b; touch -d '2021-03-04 05:06:07' a/one a/b/two
cp -a a copy && stat -c '%n %F %a' copy copy/* copy/b/* && stat -c '%n %s %Y' copy/one copy/b/two
mkdir "$TMPDIR/out" && mv a/b "$TMPDIR/out/" && find "$TMPDIR/out" -printf '%P %y %m\n' | sort
mv "$TMPDIR/out/b" back && find back copy -printf '%P %M %l\n' | sort
install -D -m 755 copy/one deep/er/installed && install -d -m 711 folder
cp copy/one hard && cp -r copy/. into && cp --parents copy/b/two into && cp -u copy/one into/one
cp -b --suffix=.old hard into/one && mv -b -S.bak hard into/one
rm -r copy/b && rmdir back/c 2>&1 | sed 's/.*: //' ; rm back/c/empty && rmdir back/c
readlink a/link a/folder; realpath a/link; readlink -f copy/link; test -e a/folder || echo dangles
test -L a/link && test -f copy/link && test -d folder && test -x deep/er/installed && test ! -x copy/one && echo tests
test copy/one -ef copy/link && echo same; mkdir -p x/y/z && rmdir -p x/y/z && ls
ls -d */ ; pwd; basename "$(pwd)"; rm -rf "$TMPDIR/out"
