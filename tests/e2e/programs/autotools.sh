#!/bin/bash
# autoconf, automake, libtool, m4: a configure script made, run and built on the mount, make distcheck's tar ball
# packages: autoconf automake libtool make gcc m4
# differs: *
mkdir src && printf 'AC_INIT([demo],[1.0])\nAM_INIT_AUTOMAKE([foreign subdir-objects])\nAC_PROG_CC\nAM_PROG_AR\nLT_INIT\nAC_CONFIG_HEADERS([config.h])\nAC_CHECK_HEADERS([unistd.h nothere.h])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n' >configure.ac
printf 'lib_LTLIBRARIES = libx.la\nlibx_la_SOURCES = src/x.c\nbin_PROGRAMS = demo\ndemo_SOURCES = src/main.c\ndemo_LDADD = libx.la\ndemo_LDFLAGS = -static\n' >Makefile.am; echo 'int x(void) { return 5; }' >src/x.c; printf '#include <stdio.h>\nint x(void);\nint main(void) { printf("%%d\\n", x()); return 0; }\n' >src/main.c
mkdir m4 && autoreconf -fi >/dev/null 2>&1 && ./configure -q --disable-dependency-tracking --prefix="$W/out" >/dev/null && grep -c 'define HAVE_' config.h && make -s >/dev/null 2>&1 && ./demo && make -s install >/dev/null 2>&1 && find out -not -name '*.so*' | sort && out/bin/demo && make -s dist >/dev/null && tar -tzf demo-1.0.tar.gz | wc -l; make -s distclean; rm -rf autom4te.cache; ls
