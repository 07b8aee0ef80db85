/* The File volume on a folder of its own: operations, redirects, escapes, read-only. */
#include "object/watch.h"
#include "volume/volume.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

static char outer[64], root[96];
static struct volume *vol;
static struct vcall call;
static struct watch *watch;
static _Atomic(struct vfile *) gone;

static void on_gone(void *owner, struct vfile *f, int status)
{
	(void)owner;
	cr_assert_eq(status, 0);
	vfile_free(f);
	atomic_store(&gone, f);
}

static void start(bool read_only)
{
	struct volume_file_config c = { .path = root, .mount = "/mnt/v", .read_only = read_only };
	struct err err = ERR_INIT;

	signal(SIGIO, SIG_IGN);
	if (!watch)
		cr_assert_eq(watch_new(&watch, &err), 0);
	c.watch = watch;
	c.events.file_gone = on_gone;
	vol = volume_free(vol);
	cr_assert_eq(volume_file_new(&c, &vol, &err), 0, "%s", err_text(&err));
}

static void setup(void)
{
	strcpy(outer, "/tmp/s3shim-fv-XXXXXX");
	cr_assert_not_null(mkdtemp(outer));
	chmod(outer, 0755);
	snprintf(root, sizeof(root), "%s/root", outer);
	mkdir(root, 0755);
	umask(0);
	memset(&call, 0, sizeof(call));
	call.uid = geteuid();
	call.gid = getegid();
	start(false);
}

static void teardown(void)
{
	char cmd[128];

	vol = volume_free(vol);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", outer);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(file_volume, .init = setup, .fini = teardown);

static const char *host(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void put(const char *name, const char *content)
{
	int fd = open(host(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
}

static int open_fd(const char *path, uint32_t flags, uint32_t mode)
{
	struct volume_opened o;
	int rc = volume_open(vol, &call, path, flags, mode, &o);

	if (rc)
		return rc < 0 ? rc : -1000;
	cr_assert_eq(o.kind, WIRE_KIND_NATIVE);
	cr_assert_null(o.file);
	return o.fd;
}

Test(file_volume, open_hands_over_the_real_file)
{
	struct wire_attr attr;
	struct stat st;
	char buf[8] = "";
	int fd;

	put("a", "hello");
	fd = open_fd("a", O_RDONLY, 0);
	cr_assert(fd >= 0);
	cr_assert_eq(read(fd, buf, 8), 5);
	cr_assert_str_eq(buf, "hello");
	cr_assert_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	fstat(fd, &st);
	cr_assert_eq(volume_stat(vol, &call, "a", false, &attr), 0);
	cr_assert_eq(attr.ino, st.st_ino);
	cr_assert_eq(attr.dev, st.st_dev);
	cr_assert_eq(attr.size, 5);
	close(fd);
}

Test(file_volume, open_flags_are_the_kernels)
{
	int fd = open_fd("n", O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0640);
	struct stat st;

	cr_assert(fd >= 0);
	cr_assert(fcntl(fd, F_GETFL) & O_APPEND);
	fstat(fd, &st);
	cr_assert_eq(st.st_mode, (mode_t)0100640);
	close(fd);
	cr_assert_eq(open_fd("n", O_WRONLY | O_CREAT | O_EXCL, 0640), -EEXIST);
	cr_assert_eq(open_fd("missing", O_RDONLY, 0), -ENOENT);
	cr_assert_eq(open_fd("n/x", O_RDONLY, 0), -ENOTDIR);
	cr_assert_eq(open_fd("n", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
	cr_assert_eq(open_fd("n/", O_RDONLY, 0), -ENOTDIR);
	mkdir(host("d"), 0755);
	cr_assert_eq(open_fd("d", O_WRONLY, 0), -EISDIR);
	cr_assert_eq(open_fd("d/", O_WRONLY | O_CREAT, 0644), -EISDIR);
}

Test(file_volume, tmpfile)
{
	int fd;

	mkdir(host("d"), 0755);
	fd = open_fd("d", O_RDWR | O_TMPFILE, 0600);
	if (fd == -EOPNOTSUPP)
		return;
	cr_assert(fd >= 0, "%d", fd);
	close(fd);
}

Test(file_volume, bad_paths_are_refused)
{
	struct wire_attr attr;

	cr_assert_eq(volume_stat(vol, &call, "/etc", false, &attr), -EINVAL);
	cr_assert_eq(volume_stat(vol, &call, "a//b", false, &attr), -EINVAL);
	cr_assert_eq(volume_stat(vol, &call, "./b", false, &attr), -EINVAL);
	cr_assert_eq(volume_stat(vol, &call, "", false, &attr), 0);
}

Test(file_volume, relative_links_are_followed_inside)
{
	struct wire_attr attr;

	mkdir(host("d"), 0755);
	mkdir(host("e"), 0755);
	put("e/f", "x");
	cr_assert_eq(volume_symlink(vol, &call, "../e/f", "d/l"), 0);
	cr_assert_eq(volume_stat(vol, &call, "d/l", false, &attr), 0);
	cr_assert(S_ISREG(attr.mode));
	cr_assert_eq(volume_stat(vol, &call, "d/l", true, &attr), 0);
	cr_assert(S_ISLNK(attr.mode));
}

static void expect_redirect(const char *path, const char *to)
{
	struct volume_opened o;
	struct wire_attr attr;

	cr_assert_eq(volume_open(vol, &call, path, O_RDONLY, 0, &o), VOLUME_REDIRECT, "%s", path);
	cr_assert_str_eq(call.redirect, to);
	call.redirect[0] = 0;
	cr_assert_eq(volume_stat(vol, &call, path, false, &attr), VOLUME_REDIRECT, "%s", path);
	cr_assert_str_eq(call.redirect, to);
}

Test(file_volume, links_that_leave_are_redirects)
{
	mkdir(host("d"), 0755);
	cr_assert_eq(symlink("/etc", host("abs")), 0);
	cr_assert_eq(symlink("../../x", host("d/up")), 0);
	cr_assert_eq(symlink("../abs/passwd", host("d/twice")), 0);
	cr_assert_eq(symlink("../../../../..", host("d/far")), 0);
	expect_redirect("abs/passwd", "/etc/passwd");
	expect_redirect("abs", "/etc");
	expect_redirect("d/up", "/mnt/x");
	expect_redirect("d/up/y/z", "/mnt/x/y/z");
	expect_redirect("d/twice", "/etc/passwd");
	expect_redirect("d/far", "/");
	expect_redirect("d/far/etc", "/etc");
}

Test(file_volume, names_beyond_a_leaving_link_are_redirects)
{
	cr_assert_eq(symlink("/elsewhere", host("abs")), 0);
	cr_assert_eq(volume_mkdir(vol, &call, "abs/n", 0755), VOLUME_REDIRECT);
	cr_assert_str_eq(call.redirect, "/elsewhere/n");
	cr_assert_eq(volume_unlink(vol, &call, "abs/n"), VOLUME_REDIRECT);
	put("a", "");
	cr_assert_eq(volume_rename(vol, &call, "a", "abs/b", 0), VOLUME_REDIRECT);
	cr_assert_eq(call.redirect_which, 2);
	cr_assert_str_eq(call.redirect, "/elsewhere/b");
	cr_assert_eq(volume_rename(vol, &call, "abs/b", "a", 0), VOLUME_REDIRECT);
	cr_assert_eq(call.redirect_which, 1);
	/* the link itself is a name like any other */
	cr_assert_eq(volume_unlink(vol, &call, "abs"), 0);
}

Test(file_volume, dotdot_is_a_redirect_to_where_it_leads)
{
	struct wire_attr attr;

	mkdir(host("d"), 0755);
	mkdir(host("d/e"), 0755);
	put("f", "22");
	cr_assert_eq(symlink("d/e", host("l")), 0);
	cr_assert_eq(symlink("/far/away", host("abs")), 0);
	cr_assert_eq(volume_stat(vol, &call, "l/../f", false, &attr), VOLUME_REDIRECT);
	cr_assert_str_eq(call.redirect, "/mnt/v/d/f");
	cr_assert_eq(volume_stat(vol, &call, "l/../../f/", false, &attr), VOLUME_REDIRECT);
	cr_assert_str_eq(call.redirect, "/mnt/v/f/");
	cr_assert_eq(volume_stat(vol, &call, "abs/../x", false, &attr), VOLUME_REDIRECT);
	cr_assert_str_eq(call.redirect, "/far/away/../x");
	cr_assert_eq(volume_stat(vol, &call, "d/../../x", false, &attr), VOLUME_REDIRECT);
	cr_assert_str_eq(call.redirect, "/mnt/v/../x");
	cr_assert_eq(volume_stat(vol, &call, "f/../x", false, &attr), -ENOTDIR);
	cr_assert_eq(volume_stat(vol, &call, "none/../x", false, &attr), -ENOENT);
	cr_assert_eq(volume_rename(vol, &call, "f", "l/../g", 0), VOLUME_REDIRECT);
	cr_assert_eq(call.redirect_which, 2);
	cr_assert_eq(volume_rename(vol, &call, "l/..", "g", 0), -EBUSY);
}

Test(file_volume, links_out_are_never_opened)
{
	struct wire_attr attr;

	mkdir(host("d"), 0755);
	/* lexically inside, really outside: never opened, a redirect */
	cr_assert_eq(symlink("../..", host("d/out")), 0);
	cr_assert_eq(volume_stat(vol, &call, "d/out/root/f", false, &attr), VOLUME_REDIRECT);
	cr_assert_str_eq(call.redirect, "/mnt/root/f");
	cr_assert_eq(symlink("self", host("self")), 0);
	cr_assert_eq(volume_stat(vol, &call, "self", false, &attr), -ELOOP);
}

Test(file_volume, readlink_says_einval_for_files)
{
	char buf[64];
	size_t len;

	put("f", "");
	cr_assert_eq(symlink("/abs", host("l")), 0);
	cr_assert_eq(volume_readlink(vol, &call, "l", buf, sizeof(buf), &len), 0);
	cr_assert_eq(len, 4);
	cr_assert_eq(memcmp(buf, "/abs", 4), 0);
	cr_assert_eq(volume_readlink(vol, &call, "f", buf, sizeof(buf), &len), -EINVAL);
}

Test(file_volume, names)
{
	struct stat st;

	cr_assert_eq(volume_mkdir(vol, &call, "d", 0751), 0);
	stat(host("d"), &st);
	cr_assert_eq(st.st_mode, (mode_t)0040751);
	cr_assert_eq(volume_mkdir(vol, &call, "d", 0751), -EEXIST);
	cr_assert_eq(volume_mkdir(vol, &call, "", 0751), -EEXIST);
	put("f", "x");
	cr_assert_eq(volume_rename(vol, &call, "f", "d/g", 0), 0);
	cr_assert_eq(volume_rmdir(vol, &call, "d"), -ENOTEMPTY);
	cr_assert_eq(volume_link(vol, &call, "d/g", "h", 0), 0);
	stat(host("h"), &st);
	cr_assert_eq(st.st_nlink, 2);
	cr_assert_eq(volume_rename(vol, &call, "h", "d/g", 1 /* RENAME_NOREPLACE */), -EEXIST);
	cr_assert_eq(volume_unlink(vol, &call, "d/g"), 0);
	cr_assert_eq(volume_unlink(vol, &call, "d"), -EISDIR);
	cr_assert_eq(volume_rmdir(vol, &call, "d/"), 0);
	cr_assert_eq(volume_mknod(vol, &call, "p", S_IFIFO | 0600, 0), 0);
	cr_assert_eq(volume_mknod(vol, &call, "z", S_IFCHR | 0600, 0x103), -EPERM);
	cr_assert_eq(volume_truncate(vol, &call, "h", 7), 0);
	stat(host("h"), &st);
	cr_assert_eq(st.st_size, 7);
}

Test(file_volume, setattr)
{
	struct vsetattr set = { WIRE_SET_MODE | WIRE_SET_MTIME, 0604, 0, 0, 0, -1500000000 };
	struct vsetattr link = { WIRE_SET_MTIME, 0, 0, 0, 0, 5000000000 };
	struct wire_attr attr;

	put("f", "");
	cr_assert_eq(symlink("f", host("l")), 0);
	cr_assert_eq(volume_setattr(vol, &call, "l", false, &set), 0);
	cr_assert_eq(volume_stat(vol, &call, "f", false, &attr), 0);
	cr_assert_eq(attr.mode, 0100604);
	cr_assert_eq(attr.mtime_ns, -1500000000);
	cr_assert_eq(volume_setattr(vol, &call, "l", true, &link), 0);
	cr_assert_eq(volume_stat(vol, &call, "l", true, &attr), 0);
	cr_assert_eq(attr.mtime_ns, 5000000000);
}

Test(file_volume, statfs_and_access)
{
	struct wire_statfs_rep fs;

	put("f", "");
	cr_assert_eq(volume_statfs(vol, &call, "f", &fs), 0);
	cr_assert_gt(fs.blocks, 0);
	cr_assert_eq(volume_access(vol, &call, "f", R_OK | W_OK, 0), 0);
	cr_assert_eq(volume_access(vol, &call, "f", X_OK, 0), -EACCES);
	cr_assert_eq(volume_access(vol, &call, "g", F_OK, 0), -ENOENT);
}

Test(file_volume, fifos_do_not_block)
{
	int r, w;

	cr_assert_eq(mkfifo(host("p"), 0600), 0);
	cr_assert_eq(open_fd("p", O_WRONLY | O_NONBLOCK, 0), -ENXIO);
	r = open_fd("p", O_RDONLY | O_NONBLOCK, 0);
	cr_assert(r >= 0);
	w = open_fd("p", O_WRONLY, 0);
	cr_assert(w >= 0);
	cr_assert_eq(write(w, "x", 1), 1);
	close(r);
	close(w);
}

static int names_in(struct vfile *f, size_t room, char *all)
{
	_Alignas(8) char buf[4096];
	uint64_t pos = 0;
	bool end = false;
	int n = 0;

	all[0] = 0;
	while (!end) {
		size_t used;
		uint32_t entries;

		cr_assert_eq(vfile_readdir(f, &call, pos, buf, room, &used, &entries, &end), 0);
		for (size_t at = 0; at < used;) {
			const struct wire_dirent *e = (const void *)(buf + at);

			strcat(strcat(all, e->name), " ");
			pos = e->next;
			at += e->size;
			n++;
		}
	}
	return n;
}

Test(file_volume, directory_is_a_private_file_with_a_snapshot)
{
	struct volume_opened o;
	struct wire_attr attr;
	struct stat st, host_st;
	char all[4096];

	mkdir(host("d"), 0755);
	put("d/a", "");
	put("d/b", "");
	cr_assert_eq(volume_open(vol, &call, "d", O_RDONLY | O_DIRECTORY, 0, &o), 0);
	cr_assert_eq(o.kind, WIRE_KIND_DIR);
	fstat(o.fd, &st);
	cr_assert(S_ISREG(st.st_mode));
	cr_assert_eq(fcntl(o.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	cr_assert_eq(lseek(o.fd, 1 << 30, SEEK_SET), 1 << 30);
	stat(host("d"), &host_st);
	cr_assert_eq(vfile_stat(o.file, &call, &attr), 0);
	cr_assert_eq(attr.ino, host_st.st_ino);
	cr_assert_eq(names_in(o.file, 64, all), 4, "%s", all);
	cr_assert_not_null(strstr(all, "a "));
	put("d/c", "");
	cr_assert_eq(names_in(o.file, 4096, all), 5, "%s", all);
	close(o.fd);
	for (int i = 0; i < 300 && !atomic_load(&gone); i++)
		usleep(10000);
	cr_assert_eq(atomic_load(&gone), o.file);
}

Test(file_volume, a_room_too_small_is_einval)
{
	_Alignas(8) char buf[16];
	struct volume_opened o;
	uint32_t entries;
	size_t used;
	bool end;

	cr_assert_eq(volume_open(vol, &call, "", O_RDONLY, 0, &o), 0);
	cr_assert_eq(vfile_readdir(o.file, &call, 0, buf, sizeof(buf), &used, &entries, &end), -EINVAL);
	vfile_free(o.file);
	close(o.fd);
}

Test(file_volume, read_only_refuses_every_change)
{
	struct vsetattr set = { .mask = WIRE_SET_MODE, .mode = 0600 };
	struct volume_opened o;
	int fd;

	put("f", "x");
	mkdir(host("d"), 0755);
	start(true);
	cr_assert_eq(open_fd("f", O_WRONLY, 0), -EROFS);
	cr_assert_eq(open_fd("f", O_RDONLY | O_TRUNC, 0), -EROFS);
	cr_assert_eq(open_fd("n", O_WRONLY | O_CREAT, 0644), -EROFS);
	cr_assert_eq(open_fd("n", O_RDONLY | O_CREAT, 0644), -EROFS);
	cr_assert_eq(open_fd("n", O_WRONLY, 0644), -ENOENT);
	cr_assert_eq(open_fd("d", O_RDWR, 0), -EISDIR);
	fd = open_fd("f", O_RDONLY | O_CREAT, 0644);
	cr_assert(fd >= 0);
	close(fd);
	cr_assert_eq(volume_mkdir(vol, &call, "n", 0755), -EROFS);
	cr_assert_eq(volume_mkdir(vol, &call, "d", 0755), -EEXIST);
	cr_assert_eq(volume_rmdir(vol, &call, "d"), -EROFS);
	cr_assert_eq(volume_unlink(vol, &call, "f"), -EROFS);
	cr_assert_eq(volume_rename(vol, &call, "f", "g", 0), -EROFS);
	cr_assert_eq(volume_symlink(vol, &call, "f", "g"), -EROFS);
	cr_assert_eq(volume_link(vol, &call, "f", "g", 0), -EROFS);
	cr_assert_eq(volume_mknod(vol, &call, "g", S_IFREG | 0600, 0), -EROFS);
	cr_assert_eq(volume_setattr(vol, &call, "f", false, &set), -EROFS);
	cr_assert_eq(volume_truncate(vol, &call, "f", 0), -EROFS);
	cr_assert_eq(volume_access(vol, &call, "f", W_OK, 0), -EROFS);
	cr_assert_eq(volume_access(vol, &call, "f", R_OK, 0), 0);
	cr_assert_eq(volume_open(vol, &call, "d", O_RDONLY, 0, &o), 0);
	cr_assert_eq(vfile_setattr(o.file, &call, &set), -EROFS);
	vfile_free(o.file);
	close(o.fd);
}

Test(file_volume, read_only_descriptors_cannot_be_reopened_for_writing)
{
	char path[64];
	int fd;

	put("f", "x");
	start(true);
	fd = open_fd("f", O_RDONLY, 0);
	cr_assert(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (geteuid() == 0)
		cr_assert(open(path, O_RDWR) < 0 && errno == EROFS);
	close(fd);
}

Test(file_volume, a_callers_ids_count)
{
	struct stat st;
	int fd;

	if (geteuid() != 0)
		return;
	put("secret", "x");
	chmod(host("secret"), 0600);
	chmod(root, 0777);
	call.uid = 12345;
	call.gid = 12346;
	cr_assert_eq(open_fd("secret", O_RDONLY, 0), -EACCES);
	cr_assert_eq(volume_access(vol, &call, "secret", R_OK, 0), -EACCES);
	fd = open_fd("mine", O_WRONLY | O_CREAT, 0644);
	cr_assert(fd >= 0);
	fstat(fd, &st);
	cr_assert_eq(st.st_uid, 12345);
	cr_assert_eq(st.st_gid, 12346);
	cr_assert_eq(setfsuid((uid_t)-1), 0);
	close(fd);
}

Test(file_volume, a_missing_folder_is_a_sentence)
{
	struct volume_file_config c = { .path = "/nonexistent/folder", .mount = "/mnt/v" };
	struct err err = ERR_INIT;
	struct volume *v = NULL;

	cr_assert_eq(volume_file_new(&c, &v, &err), -ENOENT);
	cr_assert_not_null(strstr(err.text, "/nonexistent/folder"));
	cr_assert_null(v);
}
