#!/bin/bash
# dpkg-deb: packages built from folders on the mount, listed, extracted, taken apart and built again
# packages: dpkg
# core
# differs: *.deb
umask 022; for v in 1 2; do mkdir -p p$v/DEBIAN p$v/etc p$v/usr/share/demo; printf 'Package: demo\nVersion: %s\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n' $v >p$v/DEBIAN/control; echo /etc/demo.conf >p$v/DEBIAN/conffiles; echo "conf" >p$v/etc/demo.conf; seq $((v * 500)) >p$v/usr/share/demo/data; ln -s data p$v/usr/share/demo/link; echo only$v >p$v/usr/share/demo/only$v; dpkg-deb -b --root-owner-group -Zgzip p$v demo_$v.deb; done
dpkg-deb -c demo_1.deb | awk '{ print $1, $6, $7, $8 }'; dpkg-deb -I demo_2.deb | grep Version; dpkg-deb -x demo_1.deb x && diff -r x p1 | head -n1; dpkg-deb -e demo_1.deb e && ls e; ar t demo_1.deb 2>/dev/null | wc -l >/dev/null; dpkg-deb -R demo_2.deb raw && ls raw
dpkg-deb -b --root-owner-group -Zxz raw again.deb >/dev/null && dpkg-deb -f again.deb Package Version && dpkg-deb --fsys-tarfile again.deb | tar -tf - && dpkg-deb --info again.deb conffiles; ls
