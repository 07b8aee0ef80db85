#!/bin/bash
# gpg, its home on the mount, its agent's socket too: keys made, encrypt, sign, verify, export and import into a second home
# packages: gnupg
# fails all: the agent's socket is to lie in its home, and there are no sockets on a mount (EOPNOTSUPP)
# differs: h1/* h2/* *.gpg *.asc *.sig
mkdir -m 700 h1 h2; export GNUPGHOME=$W/h1; trap 'gpgconf --homedir "$W/h1" --kill all; gpgconf --homedir "$W/h2" --kill all; rm -rf h?/openpgp-revocs.d h?/private-keys-v1.d h1/S.* h2/S.* h*/.#* h*/*.lock h*/random_seed' EXIT
seq 3000 >f; gpg --batch --quiet --pinentry-mode loopback --passphrase p --symmetric --output f.gpg f && gpg --batch --quiet --pinentry-mode loopback --passphrase p --decrypt f.gpg 2>/dev/null | cmp - f && echo symmetric
gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-gen-key 'Someone <a@b.c>' ed25519 sign never 2>/dev/null; gpg --list-keys --with-colons 2>/dev/null | grep -c ^uid; gpg --batch --detach-sign --output f.sig f 2>/dev/null && gpg --verify f.sig f 2>&1 | grep -c Good; gpg --export --armor >pub.asc 2>/dev/null; grep -c BEGIN pub.asc; gpg --homedir h2 --quiet --import pub.asc 2>/dev/null; gpg --homedir h2 --verify f.sig f 2>&1 | grep -c Good; gpg --homedir h2 --list-keys --with-colons 2>/dev/null | grep ^uid | cut -d: -f10
