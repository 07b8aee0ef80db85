"""Volumes as the model wants them: the mount point's path is as long as the native folder's, and `..` leads from both
into a folder of the test's own."""
import shutil
import tempfile
from pathlib import Path

from botocore.exceptions import ClientError
from conftest import FileMount, S3Mount


def _folders(mount):
    """scratch/n/tree natively, scratch/r/tree on the mount."""
    for side in ("n/tree", "r"):
        (mount.scratch / side).mkdir(parents=True)
    (mount.scratch / "run").mkdir(mode=0o700)
    (mount.scratch / "cache").mkdir(mode=0o700)
    mount.point = str(mount.scratch / "r/tree")
    return mount


def _content(root):
    """Every file and link below a native folder."""
    return {str(p.relative_to(root)): p for p in sorted(root.rglob("*")) if p.is_symlink() or not p.is_dir()}


class ModelS3(S3Mount):
    def __init__(self, server):
        super().__init__(Path(tempfile.mkdtemp(prefix="s3m-", dir="/var/tmp")), server, "model")
        _folders(self)

    def mount_options(self):
        return ["--mount", f"{self.point}=s3://{self.bucket}"]

    def make_folder(self, name):
        self.put(name + "/")

    def has_folder(self, name):
        return any(k.startswith(name + "/") for k in self.all_keys())

    def differs_from(self, native, may_lack_empty_folders):
        """What boto3 finds otherwise than it is natively, or None."""
        files = {k: p for k, p in _content(native).items()}
        keys = self.all_keys()
        if {k for k in keys if not k.endswith("/")} != set(files):
            return f"the bucket has {keys}, natively there are {sorted(files)}"
        for key, p in files.items():
            if not p.is_symlink() and self.get(key) != p.read_bytes():
                return f"'{key}' has another content in the bucket ({len(self.get(key))} bytes, {p.stat().st_size} natively)"
        folders = {str(p.relative_to(native)) + "/" for p in native.rglob("*") if p.is_dir() and not p.is_symlink()}
        shown = {k[:i + 1] for k in keys for i, c in enumerate(k) if c == "/"}
        if folders != shown and (folders < shown or not may_lack_empty_folders()):
            return f"folders of the bucket are {sorted(shown)}, natively {sorted(folders)}"
        if self.uploads():
            return f"uploads were left behind: {self.uploads()}"
        return None

    def remove(self):
        for key in sorted(self.all_keys(), reverse=True):
            self.client.delete_object(Bucket=self.bucket, Key=key)
        try:
            self.client.delete_bucket(Bucket=self.bucket)
        except ClientError:
            pass
        shutil.rmtree(self.scratch, ignore_errors=True)


class ModelFile(FileMount):
    def __init__(self):
        super().__init__(Path(tempfile.mkdtemp(prefix="s3m-", dir="/var/tmp")))
        _folders(self)

    def mount_options(self):
        return ["--mount", f"{self.point}=file:{self.root}"]

    def make_folder(self, name):
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def differs_from(self, native, may_lack_empty_folders):
        here, there = _content(self.root), _content(native)
        if set(here) != set(there):
            return f"the folder has {sorted(here)}, natively there are {sorted(there)}"
        for name, p in here.items():
            if not p.is_symlink() and p.read_bytes() != there[name].read_bytes():
                return f"'{name}' has another content"
        return None

    def remove(self):
        shutil.rmtree(self.scratch, ignore_errors=True)
