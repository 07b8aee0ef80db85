#include "program.h"
#include "base/util.h"
#include "base/wire.h"
#include "detect.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define LIBRARY "libs3shim.so"
#define BROKER  "s3shimd"

/* Is @path a mount point or below one? Relative paths are the kernel's: its current folder is in no mount. */
static bool is_mounted(const struct config *config, const char *path)
{
	for (size_t i = 0; i < config->mount_count; i++) {
		size_t n = strlen(config->mounts[i].mount);
		if (strncmp(path, config->mounts[i].mount, n) == 0 && (path[n] == '/' || !path[n]))
			return true;
	}
	return false;
}

/* Could @path be started? 0, -EACCES, -ENOENT, ... */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode) || !S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

static int search(struct program *p, const char *name, const struct config *config)
{
	const char *at = getenv("PATH");
	int denied = 0;

	if (!at)
		at = "/bin:/usr/bin";
	for (;;) {
		size_t n = strcspn(at, ":");
		/* An empty part is the current folder. */
		int r = snprintf(p->path, sizeof(p->path), "%.*s%s%s", (int)n, at, n ? "/" : "./", name);
		if (r > 0 && (size_t)r < sizeof(p->path)) {
			if (is_mounted(config, p->path)) {
				p->by_shim = true;
				return 0;
			}
			r = executable(p->path);
			if (r == 0)
				return 0;
			if (r == -EACCES)
				denied = r;
		}
		if (!at[n])
			return denied ? denied : -ENOENT;
		at += n + 1;
	}
}

/* The detector's view of files, by libc. */

static int detect_open(void *arg, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	(void)arg;
	return fd < 0 ? -errno : fd;
}

static long detect_pread(void *arg, int fd, void *buf, size_t size, long offset)
{
	(void)arg;
	return pread(fd, buf, size, offset);
}

static int detect_fstat(void *arg, int fd, struct stat *ret)
{
	(void)arg;
	return fstat(fd, ret);
}

static bool detect_has_capabilities(void *arg, int fd)
{
	(void)arg;
	return fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static void detect_close(void *arg, int fd)
{
	(void)arg;
	close(fd);
}

static bool detect_skip(void *arg, const char *path)
{
	return is_mounted(arg, path);
}

static const char *const reasons[] = {
	[DETECT_OK] = "",
#define ESCAPE(NAME, words, remedy) [DETECT_##NAME] = words ": " remedy,
#include "base/escapes.def"
#undef ESCAPE
};

/* Would ld.so load it? Where it would not, it says so on stderr and runs the program all the same. */
static int check_library(const char *path, struct err *err)
{
	Elf64_Ehdr e;
	struct statvfs fs;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return err_set(err, errno, "library '%s': %s; make it readable, or give another by --library FILE",
			       path, strerror(errno));
	if (strpbrk(path, " :"))
		return err_set(
		    err, EINVAL,
		    "library '%s': its path has a blank or a ':', which LD_PRELOAD cannot hold; put it elsewhere",
		    path);
	if (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOEXEC)
		return err_set(err, EACCES, "library '%s' is on a file system mounted noexec; put it elsewhere", path);
	n = read(fd, &e, sizeof(e));
	if (n != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e.e_machine != DETECT_MACHINE || e.e_type != ET_DYN)
		return err_set(
		    err, ENOEXEC,
		    "library '%s' is no shared library for this machine, of 64 bits; give it by --library FILE", path);
	return 0;
}

static int check_preload(const struct program *p, const struct config *config, struct err *err)
{
	const struct detect_ops ops = {
		.open = detect_open,
		.pread = detect_pread,
		.fstat = detect_fstat,
		.has_capabilities = detect_has_capabilities,
		.close = detect_close,
		.skip = detect_skip,
		.arg = (void *)config,
		.euid = geteuid(),
		.egid = getegid(),
		.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
		.search = getenv("PATH"),
	};
	char which[DETECT_PATH_MAX];
	enum detect_result r = detect_program(&ops, p->path, which);

	if (r == DETECT_OK)
		return 0;
	(void)err_set(err, ENOEXEC, "'%s' %s; --no-require-preload runs it without the mounts", which, reasons[r]);
	if (strcmp(which, p->path) != 0)
		(void)err_wrap(err, "'%s' is run by another program", p->path);
	return PROGRAM_NOT_EXECUTABLE;
}

int program_find(struct program *p, char **argv, const struct config *config, const char *library, struct err *err)
{
	int r;

	*p = (struct program){ .argv = argv };
	if (!strchr(argv[0], '/')) {
		r = *argv[0] ? search(p, argv[0], config) : -ENOENT;
	} else {
		(void)snprintf(p->path, sizeof(p->path), "%s", argv[0]);
		p->by_shim = is_mounted(config, argv[0]);
		r = p->by_shim ? 0 : executable(p->path);
	}
	if (r < 0) {
		(void)err_set(err, -r, "'%s': %s", argv[0], strerror(-r));
		return r == -ENOENT || r == -ENOTDIR ? PROGRAM_NOT_FOUND : PROGRAM_NOT_EXECUTABLE;
	}
	if (!config->require_preload)
		return 0;
	if (check_library(library, err) < 0) {
		char why[ERR_TEXT_MAX];
		(void)snprintf(why, sizeof(why), "%s", err_text(err));
		(void)err_set(err, ENOEXEC, "%s; --no-require-preload runs the program without the mounts", why);
		return PROGRAM_NOT_EXECUTABLE;
	}
	return p->by_shim ? 0 : check_preload(p, config, err);
}

/* Beside this program, as in a build folder, or in the folder that both are installed to. */
static int beside(const char *name, char path[PATH_MAX], struct err *err)
{
	static const char *const folders[] = { "", "../" S3SHIM_LIBDIR "/s3shim/", "../lib/s3shim/", "../lib/" };
	char self[PATH_MAX], full[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_set(err, errno, "%s cannot be looked for: /proc/self/exe: %s", name, strerror(errno));
	self[n] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(full, sizeof(full), "%s%s%s", self, folders[i], name);
		if (access(full, F_OK) == 0 && realpath(full, path))
			return 0;
	}
	return err_set(
	    err, ENOENT, "%s is missing: it is neither in '%s' nor in '%s../" S3SHIM_LIBDIR "/s3shim'; %s", name, self,
	    self, strcmp(name, LIBRARY) == 0 ? "give its place by --library FILE" : "give its place by --broker FILE");
}

int program_parts(const struct config *config, char library[PATH_MAX], char broker[PATH_MAX], struct err *err)
{
	int r = 0;

	if (config->library_path)
		(void)snprintf(library, PATH_MAX, "%s", config->library_path);
	else
		r = beside(LIBRARY, library, err);
	if (r == 0 && access(library, F_OK) < 0)
		r = err_set(err, errno, "library '%s': %s", library, strerror(errno));
	if (r < 0)
		return r;
	if (config->broker_path)
		(void)snprintf(broker, PATH_MAX, "%s", config->broker_path);
	else
		r = beside(BROKER, broker, err);
	if (r == 0 && access(broker, X_OK) < 0)
		r = err_set(err, errno, "broker '%s': %s", broker, strerror(errno));
	return r;
}

/* LD_PRELOAD without any entry that is a library of this name; malloc'd, with @more bytes of room. */
static char *other_preloads(size_t more)
{
	const char *at = getenv("LD_PRELOAD");
	char *out = malloc((at ? strlen(at) : 0) + more + 2), *end = out;

	while (out && at && *(at += strspn(at, " :"))) {
		size_t n = strcspn(at, " :"), base = n;
		while (base && at[base - 1] != '/')
			base--;
		if (n - base != strlen(LIBRARY) || memcmp(at + base, LIBRARY, n - base) != 0) {
			if (end > out)
				*end++ = ':';
			memcpy(end, at, n);
			end += n;
		}
		at += n;
	}
	if (out)
		*end = '\0';
	return out;
}

int program_environment(const struct config *config, const char *library, const char *socket_path, struct err *err)
{
	char routes[WIRE_ROUTES_MAX];
	cleanup_free char *preload = other_preloads(strlen(library));

	if (config_routes(config, routes, sizeof(routes)) < 0)
		return err_set(err, ENAMETOOLONG, "the mount points are too long");
	if (!preload)
		return err_set(err, ENOMEM, "out of memory");
	if (*preload)
		strcat(preload, ":");
	strcat(preload, library);
	if (setenv("LD_PRELOAD", preload, 1) < 0 || setenv(WIRE_ENV_SOCKET, socket_path, 1) < 0 ||
	    setenv(WIRE_ENV_ROUTES, routes, 1) < 0 || unsetenv(WIRE_ENV_STATE) < 0 || unsetenv(WIRE_ENV_LINK) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

void program_unpreload(void)
{
	cleanup_free char *preload = other_preloads(0);

	if (preload && *preload)
		(void)setenv("LD_PRELOAD", preload, 1);
	else
		(void)unsetenv("LD_PRELOAD");
	(void)unsetenv(WIRE_ENV_SOCKET);
	(void)unsetenv(WIRE_ENV_ROUTES);
	(void)unsetenv(WIRE_ENV_STATE);
	(void)unsetenv(WIRE_ENV_LINK);
}

int program_exec(const struct program *p)
{
	size_t count = 0;
	char **argv;

	if (!p->by_shim) {
		execvp(p->path, p->argv);
		return -errno;
	}
	/* The kernel knows no path below a mount point; a shell that is preloaded does. */
	while (p->argv[count])
		count++;
	argv = calloc(count + 5, sizeof(*argv));
	if (!argv)
		return -ENOMEM;
	argv[0] = (char *)"sh";
	argv[1] = (char *)"-c";
	argv[2] = (char *)"exec \"$@\"";
	argv[3] = (char *)"s3run";
	memcpy(argv + 4, p->argv, count * sizeof(*argv));
	execv("/bin/sh", argv);
	free(argv);
	return -errno;
}
