#!/bin/bash
# h5py: create, chunks with compression, resize, append, read a slice, a second file by external link, file locking
# pip: h5py numpy
exec "$PYTHON" - <<'P'
import h5py, numpy as np
with h5py.File("a.h5", "w") as f:
    f.create_dataset("x", data=np.arange(100_000).reshape(1000, 100), chunks=(100, 100), compression="gzip"); g = f.create_group("g"); g.attrs["n"] = 5
    r = g.create_dataset("grow", (10,), maxshape=(None,), dtype="i8", chunks=True); r[:] = 1; r.resize((5000,)); r[10:] = 2
with h5py.File("a.h5", "r+") as f:
    f["x"][500] = -1; f["g/grow"].resize((20,)); f["new"] = "text"; print(f["x"][499:502, 0], f["g/grow"][...].sum())
with h5py.File("b.h5", "w") as f:
    f["far"] = h5py.ExternalLink("a.h5", "/x"); print(f["far"][0, :3], f["far"].shape)
with h5py.File("a.h5", "r") as f:
    print(sorted(f), f["g"].attrs["n"], f["x"][:, 5].sum(), f["new"][()])
    try:
        h5py.File("a.h5", "r+")
    except OSError as e:
        print("refused", type(e).__name__)
P
