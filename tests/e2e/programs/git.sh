#!/bin/bash
# git: init, commit, branch, rebase, merge, stash, worktree, gc, fsck, clone, bundle, bisect
# packages: git
# core
# differs: */.git/index */index *.git/logs/* *.pack *.idx *.rev *.git/objects/info/* *.bitmap *commit-graph* *FETCH_HEAD
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='1600000000 +0000' GIT_COMMITTER_DATE='1600000000 +0000'
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TEST_DEFAULT_HASH=sha1
git -c init.defaultBranch=main init -q r && cd r && git config gc.auto 0 && git config pack.threads 1
for i in 1 2 3; do seq $i 40 >f$i; mkdir -p d$i; echo $i >d$i/x; git add . && git commit -qm "c$i"; done
chmod +x f1 && ln -s f2 link && git add -A && git commit -qm modes && git ls-files -s | tail -n2; git status --short; git log --format='%h %s'
git checkout -q -b topic HEAD~2 && echo t >topic && git add topic && git commit -qm topic && git rebase -q main && git log --oneline | wc -l
git checkout -q main && git merge -q --no-ff -m merged topic && git log --graph --format=%s | head -n4; echo dirty >>f2; git stash -q; git diff --stat; git stash pop -q; git diff | tail -n1; git checkout -q f2
git mv f3 moved && git rm -q d1/x && git commit -qm moved && git show --stat --format=%s | tail -n3; git tag -a -m tagged v1 && git describe
git worktree add -q ../wt topic && ls ../wt && git worktree list | wc -l && git -C ../wt status --short; git worktree remove ../wt; ls ..
git gc -q --prune=now && git fsck --strict --full 2>&1 | grep -v ^dangling || true; git count-objects -v | grep -v size; git clone -q --no-hardlinks . ../clone && git -C ../clone log --format=%h | wc -l
git clone -q --bare --no-hardlinks . ../bare.git && git push -q ../bare.git main:pushed && git -C ../bare.git branch -a; git bundle create -q ../b.bundle --all && git bundle verify -q ../b.bundle 2>/dev/null; rm ../b.bundle
cd ../clone && git pull -q ../r topic && echo c >c && git add c && git commit -qm c && git push -q origin HEAD:fromclone; git -C ../r branch; git archive HEAD | tar -tf - | wc -l
git bisect start HEAD HEAD~3 >/dev/null; git bisect run sh -c "test ! -e moved" >/dev/null; git bisect reset >/dev/null 2>&1; git grep -n "^39$" | wc -l; git blame -s f2 | tail -n1; git format-patch -q -1; ls *.patch; git clean -fdq; git reset -q --hard HEAD~1; git status -sb | head -n1
