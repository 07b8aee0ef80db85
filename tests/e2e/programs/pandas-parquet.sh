#!/bin/bash
# pandas and pyarrow: csv, parquet, a partitioned data set, feather with a memory map, json lines
# pip: pandas pyarrow
exec "$PYTHON" - <<'P'
import pandas as pd, pyarrow as pa, pyarrow.dataset as ds, pyarrow.feather as fe, pyarrow.parquet as pq, os
d = pd.DataFrame({"k": [i % 3 for i in range(3000)], "v": range(3000), "s": [f"text {i}" for i in range(3000)]})
d.to_csv("d.csv", index=False); print(pd.read_csv("d.csv").v.sum(), sum(len(c) for c in pd.read_csv("d.csv", chunksize=700)))
d.to_parquet("d.parquet"); print(pd.read_parquet("d.parquet", columns=["v"], filters=[("k", "==", 1)]).v.sum(), pq.ParquetFile("d.parquet").metadata.num_rows)
pq.write_to_dataset(pa.Table.from_pandas(d), "set", partition_cols=["k"], basename_template="p{i}.parquet", use_threads=False)
print(sorted(os.listdir("set")), ds.dataset("set", partitioning="hive").count_rows(), ds.dataset("set", partitioning="hive").to_table(filter=ds.field("v") > 2990).num_rows)
fe.write_feather(d, "d.feather", compression="uncompressed"); print(fe.read_table("d.feather", memory_map=True).num_rows, pa.memory_map("d.feather").size())
d.head(20).to_json("d.jsonl", orient="records", lines=True); print(len(pd.read_json("d.jsonl", lines=True))); d.to_pickle("d.pkl"); print(pd.read_pickle("d.pkl").equals(d)); os.remove("d.pkl")
w = pa.OSFile("stream", "wb"); s = pa.ipc.new_stream(w, pa.schema([("x", pa.int64())])); s.write_batch(pa.record_batch([pa.array(range(100))], names=["x"])); s.close(); w.close(); print(pa.ipc.open_stream(pa.memory_map("stream")).read_all().num_rows)
P
