#!/bin/bash
# a program whose library is on the mount: by run path, by LD_LIBRARY_PATH, by dlopen with a needed library beside it
# packages: gcc python3-minimal
# fails all: libraries without DT_SONAME: the loader knows what was loaded before by its soname alone
cat >x.c <<<'int x(void) { return 7; }' && gcc -shared -fPIC -o libx.so x.c
cat >y.c <<<'int x(void); int y(void) { return x() + 1; }' && gcc -shared -fPIC -o liby.so y.c -L. -lx -Wl,-rpath,'$ORIGIN'
cat >m.c <<<'int printf(const char *, ...); int y(void); int main(void) { return !printf("%d\n", y()); }'
/usr/bin/python3 -c 'import ctypes; print(ctypes.CDLL("./liby.so").y())'
gcc -o by-path m.c -L. -ly -Wl,-rpath-link,. && gcc -o by-rpath m.c -L. -ly -Wl,-rpath,"$W"
./by-rpath; LD_LIBRARY_PATH=$W ./by-path
