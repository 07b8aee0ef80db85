#!/bin/bash
# a Go program built with cgo whose files go through libc
# packages: gcc
go=$(command -v go || ls /usr/local/go/bin/go 2>/dev/null) || { echo "a Go compiler"; exit 77; }
export GOCACHE=$TMPDIR/cache GOPATH=$TMPDIR/path GOFLAGS=-mod=mod CGO_ENABLED=1 GOTOOLCHAIN=local GOTELEMETRY=off
mkdir p && cd p && printf 'module p\n' >go.mod && cat >main.go <<'G'
package main

/*
#include <stdio.h>
#include <stdlib.h>
static int put(const char *name, const char *text) { FILE *f = fopen(name, "a"); return f ? fputs(text, f) < 0 || fclose(f) : -1; }
static long size(const char *name) { FILE *f = fopen(name, "r"); if (!f) return -1; fseek(f, 0, SEEK_END); long n = ftell(f); fclose(f); return n; }
*/
import "C"
import ("fmt"; "unsafe"; "sync")

func main() {
	var wg sync.WaitGroup
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			name, text := C.CString(fmt.Sprintf("out%d", i)), C.CString("from go\n")
			defer C.free(unsafe.Pointer(name)); defer C.free(unsafe.Pointer(text))
			for n := 0; n < 20; n++ { if C.put(name, text) != 0 { fmt.Println("failed", i) } }
		}(i)
	}
	wg.Wait()
	name := C.CString("out7"); fmt.Println(C.size(name))
}
G
mkdir "$TMPDIR/src" "$HOME/.config" && cp main.go go.mod "$TMPDIR/src" && (cd "$TMPDIR/src" && "$go" build -o prog . 2>&1) && "$TMPDIR/src/prog" && cat out* | sha256sum && cp "$TMPDIR/src/prog" . && ./prog && wc -c out3; rm prog
