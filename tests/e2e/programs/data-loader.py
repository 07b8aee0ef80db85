#!/usr/bin/python3
# a training loop's loader: worker processes read shards with readahead and random access, checkpoints by rename
# packages: python3 libpython3-stdlib
# core
import hashlib, multiprocessing as mp, os, pickle, random, struct
RECORD, PER_SHARD, SHARDS = 1000, 500, 6

def make(shard):
    rng = random.Random(shard)
    with open(f"shards/{shard:03}.bin", "wb") as f, open(f"shards/{shard:03}.idx", "wb") as index:
        for i in range(PER_SHARD):
            index.write(struct.pack("<Q", f.tell())); f.write(rng.randbytes(rng.randint(10, RECORD)))

def worker(todo, done):
    files = {}
    for shard, i in iter(todo.get, None):
        f, index = files.setdefault(shard, (open(f"shards/{shard:03}.bin", "rb"), open(f"shards/{shard:03}.idx", "rb").read()))
        at, = struct.unpack_from("<Q", index, i * 8)
        end = struct.unpack_from("<Q", index, i * 8 + 8)[0] if i + 1 < PER_SHARD else os.fstat(f.fileno()).st_size
        done.put((shard, i, hashlib.md5(os.pread(f.fileno(), end - at, at)).digest()))

if __name__ == "__main__":
    os.mkdir("shards"); os.mkdir("ckpt")
    with mp.Pool(3) as pool:
        pool.map(make, range(SHARDS))
    todo, done = mp.Queue(), mp.Queue()
    order = [(s, i) for s in range(SHARDS) for i in range(PER_SHARD)]
    for epoch in range(2):
        random.Random(epoch).shuffle(order)
        workers = [mp.Process(target=worker, args=(todo, done)) for _ in range(4)]
        [w.start() for w in workers]; [todo.put(x) for x in order]; [todo.put(None) for _ in workers]
        seen = sorted(done.get() for _ in order); [w.join() for w in workers]
        with open("ckpt/latest.tmp", "wb") as f:
            pickle.dump({"epoch": epoch, "seen": len(seen)}, f); f.flush(); os.fsync(f.fileno())
        os.replace("ckpt/latest.tmp", f"ckpt/{epoch}"); os.path.lexists("ckpt/latest") and os.remove("ckpt/latest"); os.symlink(f"{epoch}", "ckpt/latest")
        print(epoch, len(seen), hashlib.md5(b"".join(d for _, _, d in seen)).hexdigest(), pickle.load(open("ckpt/latest", "rb")))
