#!/bin/bash
# perl: -i in place, File::Find, File::Copy, File::Temp, Storable, Fcntl locks, sysopen, tie, DATA, opendir, stat, do FILE
# packages: perl
# core
mkdir -p t/u && for i in 1 2 3; do seq $i $((i * 10)) >t/f$i; done; perl -i.orig -pe 's/^7$/seven/' t/f1 t/f2; diff t/f1 t/f1.orig | head -n2; perl -ne 'print if eof' t/f*
cat >Mod.pm <<'P'
package Mod; sub twice { 2 * shift } 1; __DATA__
P
cat >main.pl <<'P'
use strict; use File::Find; use File::Copy qw(copy move cp); use File::Temp qw(tempfile tempdir); use File::Path qw(make_path remove_tree); use File::Basename; use Storable qw(store retrieve lock_store); use Fcntl qw(:flock :seek O_RDWR O_CREAT O_EXCL); use Cwd; use lib '.'; use Mod; use IO::File; use POSIX ();
print Mod::twice(21), " ", getcwd() eq $ENV{W} ? "here" : getcwd(), "\n"; my @all; find({ wanted => sub { push @all, $File::Find::name if -f }, no_chdir => 0 }, 't'); print join(" ", sort @all), "\n";
copy("t/f1", "t/u/copied") or die; move("t/u/copied", "moved") or die; cp("t/f2", "t/u/") or die; make_path("x/y/z"); remove_tree("x"); my ($fh, $name) = tempfile("tmpXXXX", DIR => ".", UNLINK => 1); print $fh "hello"; seek $fh, 0, 0; print <$fh>, "\n"; my $dir = tempdir(DIR => ".", CLEANUP => 1); print -d $dir, "\n";
store({ a => [1 .. 5] }, "stored"); print scalar @{ retrieve("stored")->{a} }, "\n"; unlink "stored"; sysopen(my $s, "excl", O_RDWR | O_CREAT | O_EXCL, 0640) or die; syswrite $s, "abcdef"; sysseek $s, 2, SEEK_SET; sysread $s, my $b, 2; print "$b\n"; flock $s, LOCK_EX or die; truncate $s, 4; close $s; printf "%o %d\n", (stat "excl")[2] & 0777, -s "excl";
open my $a, ">>", "log"; $a->autoflush(1); for (1 .. 3) { my $p = fork // die; if (!$p) { flock $a, LOCK_EX; print $a "line\n" x 10; POSIX::_exit(0) } } 1 while wait > 0; print scalar(() = do { local @ARGV = "log"; <> }), "\n"; open my $p, "-|", "sort -n t/f3 | tail -n1"; print <$p>; open my $w, "|-", "cat >piped"; print $w "p"; close $w; print -s "piped", "\n";
opendir my $d, "t"; my @n = sort grep !/^\./, readdir $d; print "@n\n"; rewinddir $d; print scalar(readdir $d) ? "again\n" : ""; print join(" ", glob("t/f[12]")), "\n"; rename "t/f3", "t/u/f3"; symlink "u/f3", "t/l"; print readlink "t/l", " ", -l "t/l" ? 1 : 0, "\n"; chmod 0600, "moved"; utime 5, 6, "moved"; print((stat "moved")[9], "\n"); print mkdir("t") ? "" : "$!\n", rmdir("t") ? "" : "$!\n", open(my $e, "<", "none") ? "" : "$!\n", do("./Mod.pm"), "\n";
open my $l, "+<:encoding(UTF-8)", "moved"; my $first = <$l>; print $first; seek $l, 0, SEEK_END; print $l "\x{fc}\n"; close $l; print -s "moved", "\n"; local $/; open my $st, "<", "moved"; print length(<$st>), "\n"; dup(1) if 0; open my $o, ">&", \*STDOUT; open STDOUT, ">", "captured"; print "in file\n"; system "echo by system"; close STDOUT; open STDOUT, ">&", $o; print `cat captured`;
P
perl main.pl; perl -0777 -ne 'print length' t/f2; echo
