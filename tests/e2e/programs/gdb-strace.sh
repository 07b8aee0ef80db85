#!/bin/bash
# gdb and strace: a program on the mount debugged with its source, output files on the mount, -f over children, gcore
# packages: gdb strace gcc
# differs: prog core.x
printf '#include <stdio.h>\nint twice(int x)\n{\n\treturn 2 * x;\n}\nint main(void)\n{\n\tint r = 0;\n\tfor (int i = 0; i < 3; i++)\n\t\tr += twice(i);\n\tprintf("%%d\\n", r);\n\treturn 0;\n}\n' >prog.c && gcc -g -O0 -o prog prog.c
printf 'break twice\nrun\nbt 2\nprint x\nlist 4,4\ncontinue 1\nprint x\ndelete\ngcore core.x\ncontinue\n' >cmds; gdb -nx -q -batch -iex 'set debuginfod enabled off' -iex 'set startup-with-shell off' -x cmds ./prog 2>/dev/null | grep -E '^(#|\$|4|6|Saved)' | sed 's/0x[0-9a-f]*/ADDR/'; gdb -nx -q -batch -ex bt prog core.x 2>/dev/null | grep -c '^#'; rm core.x
strace -f -o trace -e trace=write,execve sh -c 'echo through strace; ./prog; cat prog.c | wc -l' && grep -c 'exited with 0' trace; rm trace; strace -ff -o t -e trace=none sh -c 'ls prog.c; true'; ls t.* | wc -l; rm t.*
