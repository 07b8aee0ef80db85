#!/bin/bash
# Subversion (sqlite and its own file store), RCS, fossil: repository and working copy on the mount
# packages: subversion rcs fossil
# fails s3: a new folder does not inherit the setgid bit of its parent (mode 2755 in a Subversion repository)
# differs: repo/* wc/.svn/* *.fossil f.txt,v RCS/* */_FOSSIL_ */.fslckout open/.fslckout
svnadmin create repo && svn co -q "file://$W/repo" wc && cd wc && mkdir d && seq 50 >d/f && svn add -q d && svn ci -q -m one && sed -i s/7/seven/ d/f && svn diff | grep -c '^[+-]' && svn ci -q -m two && svn up -q && svn cp -q d e && svn mv -q e/f e/g && svn ci -q -m three && svn log -q | grep -c ^r && svn up -q -r 1 && ls && svn up -q && svn status && svn revert -q -R . && svn cleanup && cd .. && svnadmin verify -q repo && svnlook youngest repo && svnadmin dump -q repo | grep -c ^Node-path
svn export -q wc/d exported && ls exported; mkdir RCS && seq 9 >f.txt && ci -q -u -t-text f.txt && co -q -l f.txt && echo ten >>f.txt && ci -q -u -mmore f.txt && co -q -p1.1 f.txt | wc -l && rlog f.txt | grep -c ^revision; stat -c %a f.txt; rcsdiff -q -r1.1 f.txt | wc -l
export FOSSIL_HOME=$TMPDIR FOSSIL_USER=me USER=me; fossil init -A me r.fossil >/dev/null && mkdir open && cd open && fossil open ../r.fossil --force >/dev/null 2>&1 && echo x >a && fossil add a >/dev/null && fossil commit -m one --no-warnings >/dev/null 2>&1 && echo y >>a && fossil diff | grep -c '^+y' && fossil commit -m two --no-warnings >/dev/null 2>&1 && fossil timeline -n 5 -t ci | grep -c 'two\|one' && fossil close >/dev/null && ls -A
