#!/bin/bash
# gpg: files on the mount encrypted, signed, verified, decrypted, keys exported and imported; its home outside
# packages: gnupg
# differs: *.gpg *.asc *.sig
mkdir -m 700 "$TMPDIR/h1" "$TMPDIR/h2"; export GNUPGHOME=$TMPDIR/h1; trap 'gpgconf --homedir "$TMPDIR/h1" --kill all; gpgconf --homedir "$TMPDIR/h2" --kill all' EXIT
seq 3000 >f; gpg --batch --quiet --pinentry-mode loopback --passphrase p --symmetric --output f.gpg f && gpg --batch --quiet --pinentry-mode loopback --passphrase p --decrypt f.gpg 2>/dev/null | cmp - f && echo symmetric
gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-gen-key 'Someone <a@b.c>' ed25519 sign never 2>/dev/null; gpg --list-keys --with-colons 2>/dev/null | grep -c ^uid; gpg --batch --detach-sign --output f.sig f 2>/dev/null && gpg --verify f.sig f 2>&1 | grep -c Good; gpg --export --armor >pub.asc 2>/dev/null; grep -c BEGIN pub.asc; gpg --homedir "$TMPDIR/h2" --quiet --import pub.asc 2>/dev/null; gpg --homedir "$TMPDIR/h2" --verify f.sig f 2>&1 | grep -c Good; gpg --homedir "$TMPDIR/h2" --list-keys --with-colons 2>/dev/null | grep ^uid | cut -d: -f10
