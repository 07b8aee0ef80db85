#!/bin/bash
# vim: edits by script with swap file, backup, persistent undo, recovery of a swap file, writing over a read-only file
# packages: vim-tiny
# core
v="vim.tiny -u NONE -i NONE -T dumb --not-a-term -e -s"
seq 100 >f && chmod 640 f
$v -n -c '%s/5/five/g' -c '$s/$/ last/' -c wq f; sed -n '5p;$p' f; stat -c %a f
$v -c 'set backup backupext=.bak swapfile directory=. writebackup backupcopy=no' -c 1d -c wq f; ls -A; diff f f.bak | head -n2
$v -c 'set backupcopy=yes backup swapfile' -c 2d -c wq f; ls -A; wc -l <f; chmod 444 f
$v -n -c 3d -c 'w!' -c 'saveas other' -c 'r f' -c w -c q f; stat -c '%a %n' f; wc -l f other; ls -A
printf 'a\r\nb\r\n' >dos; $v -n -c 'set ff=unix' -c wq dos; od -c dos | head -n1; ln -s other l; $v -c '1s/$/ by link/' -c wq l; head -n1 other; readlink l
$v -c 'set directory=. updatecount=1' -c 'r f' -c preserve -c 'silent !cp .new.swp kept' -c 'q!' new; ls -A; mv kept .new.swp; $v -r -c 'w! recovered' -c 'q!' new </dev/null >/dev/null 2>&1; rm .new.swp; wc -l recovered
