#!/bin/bash
# make, gcc, ar, ranlib, ld -shared, strip, objcopy: a C project with a library, built and run on the mount
# packages: make gcc binutils
# core
mkdir src && cat >src/main.c <<'C'
#include <stdio.h>
#include "lib.h"
int main(void) { printf("%d %d\n", add(2, 3), mul(4, 5)); FILE *f = fopen("made", "w"); fprintf(f, "by me\n"); return fclose(f); }
C
echo 'int add(int, int); int mul(int, int);' >src/lib.h; echo 'int add(int a, int b) { return a + b; }' >src/add.c; echo 'int mul(int a, int b) { return a * b; }' >src/mul.c
cat >Makefile <<'M'
CFLAGS = -O1 -g -MMD -Isrc -fPIC
OBJ = $(patsubst src/%.c,obj/%.o,$(wildcard src/*.c))
all: prog shared
obj/%.o: src/%.c | obj
	$(CC) $(CFLAGS) -c -o $@ $<
obj: ; mkdir -p $@
lib.a: obj/add.o obj/mul.o
	rm -f $@; ar -crsD $@ $^; ranlib -D $@
libx.so: obj/add.o obj/mul.o
	$(CC) -shared -o $@ $^
prog: obj/main.o lib.a
	$(CC) -o $@ $^
shared: obj/main.o libx.so
	$(CC) -o $@ $< -L. -lx -Wl,-z,now
clean: ; rm -rf obj prog shared lib.a libx.so
-include $(OBJ:.o=.d)
M
make -s -j2 && ./prog && cp libx.so "$TMPDIR" && export LD_LIBRARY_PATH=$TMPDIR && ./shared && cat made && make -q && ar t lib.a && nm -C prog | grep -c ' T '
make -n -W src/lib.h | grep -c main.c; size prog | wc -l; strip prog && ./prog; objcopy --only-keep-debug shared shared.dbg && strip -g shared && objcopy --add-gnu-debuglink=shared.dbg shared && ./shared
cp prog "$TMPDIR/p" && "$TMPDIR/p" && readelf -d shared | grep -c NEEDED; gcc -save-temps -O2 -c src/add.c && ls add.*; gcc -x c - -o piped <<<'int main(void){return 7;}'; ./piped || echo $?
make -s clean && ls
