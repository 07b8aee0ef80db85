#!/bin/bash
# tar, cpio, zip and unzip, 7z, each made of a tree on the mount and unpacked there
# packages: tar cpio zip unzip p7zip-full
# core
# differs: *.7z t.tar t.tgz
mkdir -p tree/sub/empty && seq 5000 >tree/n && head -c 70000 /dev/zero >tree/sub/zero && ln -s ../n tree/sub/link && chmod 750 tree/n
find tree -exec touch -h -d '2020-02-02 02:02:02' {} +
tar --sort=name --numeric-owner --owner=0 --group=0 -cf t.tar tree && tar -tf t.tar && mkdir x1 && tar -xpf t.tar -C x1 && diff -r tree x1/tree
touch -d 2020-02-02 extra && tar -rf t.tar --owner=0 --group=0 --mtime=2020-02-02 extra && tar -tf t.tar | tail -n1 && tar --delete -f t.tar tree/n && tar -df t.tar 2>&1 | head
tar -czf t.tgz --sort=name --mtime=2020-02-02 --owner=0 --group=0 tree && tar -cJf t.txz tree && tar -xf t.txz --one-top-level=x2 && diff -r tree x2/tree
tar -cSf sparse.tar tree/sub/zero && tar -xf sparse.tar -O | cmp - tree/sub/zero
tar -cf - -C tree . | tar -xf - -C x1 && ls x1; tar -g snap -cf inc0.tar tree && seq 3 >tree/new && tar -g snap -cf inc1.tar tree && tar -tf inc1.tar | grep new
rm inc0.tar inc1.tar snap tree/new sparse.tar t.txz
find tree | sort | cpio -o -H newc --reproducible 2>/dev/null >t.cpio; mkdir x3 && (cd x3 && cpio -idm 2>/dev/null <../t.cpio) && diff -r tree x3/tree; cpio -t <t.cpio 2>/dev/null | wc -l
rm t.cpio; (find tree -depth | cpio -pdm x4 2>/dev/null); find tree -exec touch -h -d '2020-02-02 02:02:02' {} +; diff -r tree x4/tree && echo cpio
find tree | sort | zip -qXy t.zip -@ && unzip -qqt t.zip && unzip -qq t.zip -d x5 && diff -r tree x5/tree && readlink x5/tree/sub/link; zip -qd t.zip tree/n && zip -quX t.zip extra && zipinfo -1 t.zip | sort
7z a -bd -mmt1 t.7z tree >/dev/null && 7z t t.7z | grep -c Ok; 7z x -ox6 t.7z >/dev/null && diff -r tree x6/tree && 7z l -ba t.7z | wc -l; 7z d t.7z tree/n >/dev/null && 7z l -ba t.7z | wc -l
