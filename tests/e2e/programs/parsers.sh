#!/bin/bash
# m4, flex, bison, gperf: generated sources compiled on the mount; gettext's catalogues
# packages: m4 flex bison gperf gcc gettext
# core
# differs: calc hash scan.o *.mo
printf 'define(`x'"'"', `$1 and $1'"'"')dnl\nx(one)\nundivert(`inc'"'"')syscmd(`cat inc'"'"')\n' >in.m4 && echo included >inc && m4 in.m4 >out.m4 && cat out.m4
printf '%%{\n#include "p.tab.h"\n#include <stdlib.h>\n%%}\n%%option noyywrap nounput noinput\n%%%%\n[0-9]+ { yylval = atoi(yytext); return N; }\n[ \\n] ;\n. return yytext[0];\n%%%%\n' >scan.l
printf '%%{\n#include <stdio.h>\nint yylex(void); void yyerror(const char *s) { puts(s); }\n%%}\n%%token N\n%%left %s+%s\n%%%%\nall: e { printf("%%d\\n", $1); };\ne: N | e %s+%s e { $$ = $1 + $3; };\n%%%%\nint main(void) { return yyparse(); }\n' \' \' \' \' >p.y
flex -o scan.c scan.l && bison -d -o p.tab.c p.y && gcc -o calc scan.c p.tab.c && echo '1 + 20 + 300' | ./calc; printf 'alpha\nbeta\ngamma\n' | gperf -t -L ANSI-C >h.c 2>/dev/null || printf 'alpha\nbeta\n' | gperf >h.c; wc -l <h.c
printf 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\nmsgid "hello"\nmsgstr "hallo"\n' >de.po && mkdir -p de/LC_MESSAGES && msgfmt -o de/LC_MESSAGES/demo.mo de.po && msgunfmt de/LC_MESSAGES/demo.mo | tail -n2; printf 'gettext("one"); gettext("two");\n' >t.c && xgettext -o t.pot --omit-header t.c && grep -c msgid t.pot && msgmerge -q -U --backup=simple de.po t.pot 2>/dev/null; ls de.po*
