#!/bin/bash
# numpy: memmap r+, w+ and c, npy and npz, fromfile, tofile with offsets, structured arrays
# pip: numpy
exec "$PYTHON" - <<'P'
import numpy as np, os
m = np.memmap("mm", dtype="float64", mode="w+", shape=(1000, 300)); m[:] = np.arange(300_000).reshape(1000, 300); m[500] = -1; m.flush(); del m
r = np.memmap("mm", dtype="float64", mode="r+", shape=(1000, 300)); print(r.sum(), r[500, 7]); r[0] = 5; del r
c = np.memmap("mm", dtype="float64", mode="c", offset=2400, shape=(10,)); c[:] = 9; print(c.sum(), np.memmap("mm", "float64", "r")[300:303])
np.save("a.npy", np.arange(100_000)); print(np.load("a.npy", mmap_mode="r")[99_990:].sum(), np.load("a.npy").dtype)
np.savez("z.npz", a=np.ones(5), b=np.eye(3)); z = np.load("z.npz"); print(sorted(z.files), z["b"].trace()); z.close(); os.remove("z.npz")
np.arange(10, dtype="i4").tofile("raw"); print(np.fromfile("raw", "i4", count=3, offset=8)); f = open("raw", "ab"); np.arange(3, dtype="i4").tofile(f); f.close(); print(os.path.getsize("raw"))
np.savetxt("t.txt", np.eye(3), fmt="%d"); print(np.loadtxt("t.txt").sum(), np.genfromtxt("t.txt").shape)
o = np.lib.format.open_memmap("o.npy", mode="w+", dtype="i8", shape=(50, 50)); o[:] = 3; del o; print(np.load("o.npy").sum())
P
