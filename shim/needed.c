#include "shim/needed.h"
#include "shim/env.h"
#include "shim/names.h"
#include "shim/shim.h"

#include <elf.h>
#include <string.h>

#define HEADERS_MAX 32
#define DYNAMIC_MAX 256
#define NAME_BYTES  256

/* What of a file the search looks at. */
struct image {
	int fd;
	const char *path;
	Elf64_Phdr load[HEADERS_MAX];
	int loads;
	uint64_t strings; /* offset of the string table */
	char run_path[WIRE_PATH_MAX];
};

static bool read_at(int fd, void *buf, size_t n, uint64_t off)
{
	return SYS(pread64, fd, buf, n, off) == (long)n;
}

/* A string of the table; what is longer than @size is cut. */
static bool read_string(const struct image *im, uint64_t at, char *buf, size_t size)
{
	long n = SYS(pread64, im->fd, buf, size - 1, im->strings + at);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static uint64_t offset_of(const struct image *im, uint64_t address)
{
	for (int i = 0; i < im->loads; i++)
		if (address >= im->load[i].p_vaddr && address - im->load[i].p_vaddr < im->load[i].p_filesz)
			return address - im->load[i].p_vaddr + im->load[i].p_offset;
	return 0;
}

/* Return: how many entries of its dynamic section are in @dyn; 0 if it is no such file. */
static size_t dynamic_of(struct image *im, Elf64_Dyn *dyn)
{
	Elf64_Phdr all[HEADERS_MAX], *dynamic = NULL;
	Elf64_Ehdr e;
	size_t n;
	long got;

	if (!read_at(im->fd, &e, sizeof(e), 0) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof(*all) || e.e_phnum > HEADERS_MAX ||
	    !read_at(im->fd, all, e.e_phnum * sizeof(*all), e.e_phoff))
		return 0;
	for (int i = 0; i < e.e_phnum; i++) {
		if (all[i].p_type == PT_LOAD)
			im->load[im->loads++] = all[i];
		if (all[i].p_type == PT_DYNAMIC)
			dynamic = &all[i];
	}
	if (!dynamic)
		return 0;
	n = min_u64(dynamic->p_filesz, DYNAMIC_MAX * sizeof(*dyn));
	got = SYS(pread64, im->fd, dyn, n, dynamic->p_offset);
	n = got > 0 ? (size_t)got / sizeof(*dyn) : 0;
	for (size_t i = 0; i < n; i++)
		if (dyn[i].d_tag == DT_NULL)
			return i;
	return n;
}

static bool on_a_mount(const char *path)
{
	struct wire_attr a;
	struct route r;

	return route(&path, &r) == ROUTE_MOUNT && names_stat(&r, 0, &a) == 0 && S_ISREG(a.mode);
}

/* @name in one folder of a list; $ORIGIN is @origin's folder. */
static bool in_folder(const char *folder, size_t n, const char *origin, const char *name, char *ret)
{
	static const char *const words[] = { "$ORIGIN", "${ORIGIN}" };
	size_t name_size = strlen(name) + 1, at = 0;

	for (size_t i = 0; i < 2 && origin; i++) {
		size_t word = strlen(words[i]);
		if (n < word || memcmp(folder, words[i], word) != 0)
			continue;
		at = (size_t)(strrchr(origin, '/') - origin);
		memcpy(ret, origin, at);
		folder += word;
		n -= word;
		break;
	}
	if ((!n && !at) || at + n + 1 + name_size > WIRE_PATH_MAX)
		return false;
	memcpy(ret + at, folder, n);
	ret[at + n] = '/';
	memcpy(ret + at + n + 1, name, name_size);
	return ret[0] == '/' && on_a_mount(ret);
}

static bool in_list(const char *list, const char *origin, const char *name, char *ret)
{
	while (list && *list) {
		size_t n = strcspn(list, ":;");
		if (in_folder(list, n, origin, name, ret))
			return true;
		list += n + (list[n] != '\0');
	}
	return false;
}

bool needed_find(const char *name, char *ret)
{
	return in_list(env_get("LD_LIBRARY_PATH"), NULL, name, ret);
}

void needed_each(int fd, const char *path, void (*f)(const char *path, void *arg), void *arg)
{
	struct image im = { .fd = fd, .path = path };
	char name[NAME_BYTES], found[WIRE_PATH_MAX];
	Elf64_Dyn dyn[DYNAMIC_MAX];
	size_t n = path[0] == '/' ? dynamic_of(&im, dyn) : 0;

	for (size_t i = 0; i < n; i++)
		if (dyn[i].d_tag == DT_STRTAB)
			im.strings = offset_of(&im, dyn[i].d_un.d_ptr);
	for (size_t i = 0; i < n && im.strings; i++)
		if (dyn[i].d_tag == DT_RUNPATH || (dyn[i].d_tag == DT_RPATH && !im.run_path[0]))
			(void)read_string(&im, dyn[i].d_un.d_val, im.run_path, sizeof(im.run_path));
	for (size_t i = 0; i < n && im.strings; i++)
		if (dyn[i].d_tag == DT_NEEDED && read_string(&im, dyn[i].d_un.d_val, name, sizeof(name)) &&
		    !strchr(name, '/') && (in_list(im.run_path, path, name, found) || needed_find(name, found)))
			f(found, arg);
}
