#!/bin/bash
# emacs -batch: backup and auto-save files, lock files, byte compilation, dired, a function over a tree
# packages: emacs-nox
# differs: *.elc
seq 20 >f && chmod 640 f && printf '(defun twice (x) (* 2 x))\n(provide (quote lib))\n' >lib.el && mkdir d && echo in >d/x
e="emacs -Q -batch"
$e f --eval '(progn (goto-char (point-max)) (insert "end\n") (setq make-backup-files t backup-by-copying nil) (set-buffer-modified-p t) (save-buffer))' 2>&1 | grep -v Wrote || true; ls -A; tail -n1 f; stat -c '%a %n' f 'f~'
$e f --eval '(progn (insert "top\n") (do-auto-save) (princ (file-exists-p (make-auto-save-file-name))) (princ (file-locked-p buffer-file-name)) (setq backup-by-copying t version-control t) (save-buffer))' 2>/dev/null; echo; ls -A; head -n1 f
$e -f batch-byte-compile lib.el 2>&1 && ls; $e -L . -l lib --eval '(princ (list (twice 21) (featurep (quote lib))))'; echo; $e --eval '(princ (mapconcat (function identity) (directory-files-recursively "." "x\\|f") " "))'; echo
$e --eval '(progn (copy-file "f" "g") (rename-file "g" "h") (make-symbolic-link "h" "l") (make-directory "p/q" t) (copy-directory "d" "e") (delete-file "d/x") (set-file-modes "h" 256) (write-region "appended\n" nil "e/x" t) (princ (list (file-symlink-p "l") (file-attribute-size (file-attributes "e/x")))))' 2>/dev/null; echo; stat -c '%a' h
