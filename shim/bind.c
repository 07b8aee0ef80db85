/*
 * The objects behind ours in load order are listed once, in the constructor or by the first hook that runs before it,
 * so that no later lookup enters the loader: its lock may be held by a thread that fork left behind, and a wrapper
 * library that calls back from its own constructor finds a finished list (fakechroot's issue 57: a lookup that finds a
 * wrapper which calls the hook again for ever; wrappers of that kind, libattr's, carry hidden versions, which are taken
 * last). Two threads that list at once write the same values to the same places.
 *
 * A lookup takes the first object that defines the symbol with its default version; where none does, the first that has
 * a hidden one: libc's own compatibility names, __xstat since glibc 2.33, exist so only. musl has no 64-bit names since
 * 1.2.4 and no fortified ones: those are the plain functions, whose arguments are the same or fewer.
 */
#include "shim/shim.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

#define OBJECTS_MAX 1024
#define HIDDEN      0x8000

#ifndef STT_GNU_IFUNC
#define STT_GNU_IFUNC 10
#endif

struct object {
	ElfW(Addr) base;
	const ElfW(Dyn) * dyn;
};

/* What a lookup needs of an object's dynamic section. */
struct symbols {
	const ElfW(Sym) * sym;
	const char *str;
	const ElfW(Half) * versym;
	const uint32_t *gnu, *sysv;
};

_Atomic(void *) bind_table[HOOK_MAX];

static struct object objects[OBJECTS_MAX];
static _Atomic uint32_t listed HOT;  /* 0: not yet; else the number of objects + 1 */
static const char *library_path HOT; /* the loader's text, or copied */
static char relative_path[4096];

static const char *const names[HOOK_MAX] = {
#define HOOK(family, name) [HOOK_##name] = #name,
#include "shim/hooks.def"
#undef HOOK
};

/* Where libc lacks the first, the second is the same. */
static const struct {
	enum hook_id missing, instead;
} aliases[] = {
	{ HOOK_open64, HOOK_open },
	{ HOOK_openat64, HOOK_openat },
	{ HOOK_creat64, HOOK_creat },
	{ HOOK___open_2, HOOK_open },
	{ HOOK___open64_2, HOOK_open },
	{ HOOK___openat_2, HOOK_openat },
	{ HOOK___openat64_2, HOOK_openat },
	{ HOOK_fcntl64, HOOK_fcntl },
	{ HOOK_pread64, HOOK_pread },
	{ HOOK_pwrite64, HOOK_pwrite },
	{ HOOK_preadv64, HOOK_preadv },
	{ HOOK_pwritev64, HOOK_pwritev },
	{ HOOK_preadv64v2, HOOK_preadv2 },
	{ HOOK_pwritev64v2, HOOK_pwritev2 },
	{ HOOK___read_chk, HOOK_read },
	{ HOOK___pread_chk, HOOK_pread },
	{ HOOK___pread64_chk, HOOK_pread },
	{ HOOK_lseek64, HOOK_lseek },
	{ HOOK_ftruncate64, HOOK_ftruncate },
	{ HOOK_fallocate64, HOOK_fallocate },
	{ HOOK_posix_fallocate64, HOOK_posix_fallocate },
	{ HOOK_posix_fadvise64, HOOK_posix_fadvise },
	{ HOOK_mmap64, HOOK_mmap },
	{ HOOK_sendfile64, HOOK_sendfile },
	{ HOOK_fopen64, HOOK_fopen },
	{ HOOK_freopen64, HOOK_freopen },
	{ HOOK_stat64, HOOK_stat },
	{ HOOK_lstat64, HOOK_lstat },
	{ HOOK_fstat64, HOOK_fstat },
	{ HOOK_fstatat64, HOOK_fstatat },
	{ HOOK_statfs64, HOOK_statfs },
	{ HOOK_fstatfs64, HOOK_fstatfs },
	{ HOOK_statvfs64, HOOK_statvfs },
	{ HOOK_fstatvfs64, HOOK_fstatvfs },
	{ HOOK_readdir64, HOOK_readdir },
	{ HOOK_readdir64_r, HOOK_readdir_r },
	{ HOOK_scandir64, HOOK_scandir },
	{ HOOK___readlink_chk, HOOK_readlink },
	{ HOOK___readlinkat_chk, HOOK_readlinkat },
	{ HOOK___realpath_chk, HOOK_realpath },
	{ HOOK_truncate64, HOOK_truncate },
	{ HOOK_mkstemp64, HOOK_mkstemp },
	{ HOOK_mkostemp64, HOOK_mkostemp },
	{ HOOK_mkstemps64, HOOK_mkstemps },
	{ HOOK_mkostemps64, HOOK_mkostemps },
	{ HOOK___getcwd_chk, HOOK_getcwd },
	{ HOOK___getwd_chk, HOOK_getwd },
	{ HOOK_aio_read64, HOOK_aio_read },
	{ HOOK_aio_write64, HOOK_aio_write },
	{ HOOK_aio_fsync64, HOOK_aio_fsync },
	{ HOOK_lio_listio64, HOOK_lio_listio },
	{ HOOK_glob64, HOOK_glob },
	{ HOOK_globfree64, HOOK_globfree },
	{ HOOK_ftw64, HOOK_ftw },
	{ HOOK_nftw64, HOOK_nftw },
};

/* ---- one object ---- */

/* glibc has relocated the pointers in the section, musl has not. */
static const void *pointer(const struct object *o, ElfW(Addr) value)
{
	return (const void *)(value < o->base ? value + o->base : value);
}

static bool symbols_of(const struct object *o, struct symbols *ret)
{
	struct symbols s = { 0 };

	for (const ElfW(Dyn) *d = o->dyn; d->d_tag != DT_NULL; d++) {
		const void *p = pointer(o, d->d_un.d_ptr);
		switch (d->d_tag) {
		case DT_SYMTAB:
			s.sym = p;
			break;
		case DT_STRTAB:
			s.str = p;
			break;
		case DT_VERSYM:
			s.versym = p;
			break;
		case DT_GNU_HASH:
			s.gnu = p;
			break;
		case DT_HASH:
			s.sysv = p;
			break;
		default:
			break;
		}
	}
	if (!s.sym || !s.str || (!s.gnu && !s.sysv))
		return false;
	*ret = s;
	return true;
}

/* ---- the list ---- */

struct listing {
	uint32_t count;
	bool behind; /* ours was seen */
};

static bool maps(const struct dl_phdr_info *info, const void *address)
{
	ElfW(Addr) a = (ElfW(Addr))address - info->dlpi_addr;

	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && a >= info->dlpi_phdr[i].p_vaddr &&
		    a - info->dlpi_phdr[i].p_vaddr < info->dlpi_phdr[i].p_memsz)
			return true;
	return false;
}

static bool is_vdso(const struct dl_phdr_info *info)
{
	static const char prefix[] = "linux-"; /* linux-vdso.so.1, linux-gate.so.1 */

	return info->dlpi_name && strncmp(info->dlpi_name, prefix, sizeof(prefix) - 1) == 0;
}

/* musl lists the vdso without a name, and gVisor's is linked to the end of the address space. */
static bool is_sound(const struct dl_phdr_info *info, const struct object *o)
{
	struct symbols s;

	return symbols_of(o, &s) && maps(info, s.sym) && maps(info, s.str) && maps(info, s.gnu ? s.gnu : s.sysv);
}

/* LD_PRELOAD may have named us relative to the folder that was current at start. */
static void remember_path(const char *name)
{
	size_t at, len = name ? strlen(name) : 0;
	long n;

	library_path = name;
	if (!len || name[0] == '/')
		return;
	library_path = "";
	n = SYS(getcwd, relative_path, sizeof(relative_path));
	at = n > 1 ? (size_t)n - 1 : sizeof(relative_path);
	if (at + 1 + len >= sizeof(relative_path))
		return;
	relative_path[at++] = '/';
	memcpy(relative_path + at, name, len + 1);
	library_path = relative_path;
}

static int list_one(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct listing *l = arg;

	(void)size;
	if (!l->behind) {
		l->behind = maps(info, &listed);
		if (l->behind)
			remember_path(info->dlpi_name);
		return 0;
	}
	if (is_vdso(info))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		struct object o = { .base = info->dlpi_addr };

		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC || l->count == OBJECTS_MAX)
			continue;
		o.dyn = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
		if (is_sound(info, &o))
			objects[l->count++] = o;
	}
	return 0;
}

static uint32_t list(void)
{
	uint32_t n = atomic_load_explicit(&listed, memory_order_acquire);
	struct listing l = { 0 };

	if (likely(n))
		return n - 1;
	dl_iterate_phdr(list_one, &l);
	atomic_store_explicit(&listed, l.count + 1, memory_order_release);
	return l.count;
}

/* ---- names in it ---- */

static const ElfW(Sym) * matches(const struct symbols *s, uint32_t i, const char *name, bool hidden)
{
	const ElfW(Sym) *sym = &s->sym[i];
	unsigned type = sym->st_info & 15, binding = sym->st_info >> 4;

	if (sym->st_shndx == SHN_UNDEF || !sym->st_value || (binding != STB_GLOBAL && binding != STB_WEAK))
		return NULL;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return NULL;
	if (!hidden && s->versym && (s->versym[i] & HIDDEN))
		return NULL;
	return strcmp(s->str + sym->st_name, name) == 0 ? sym : NULL;
}

static const ElfW(Sym) * by_gnu_hash(const struct symbols *s, const char *name, bool hidden)
{
	uint32_t nbuckets = s->gnu[0], first = s->gnu[1], words = s->gnu[2], shift = s->gnu[3], h = 5381;
	const ElfW(Addr) *bloom = (const ElfW(Addr) *)(const void *)(s->gnu + 4);
	const uint32_t *buckets = (const uint32_t *)(bloom + words), *chain = buckets + nbuckets;
	const unsigned bits = sizeof(ElfW(Addr)) * 8;
	const ElfW(Sym) * found;
	uint32_t i;

	if (!nbuckets || !words)
		return NULL;
	for (const char *c = name; *c; c++)
		h = h * 33 + (unsigned char)*c;
	if (!((bloom[h / bits % words] >> (h % bits)) & (bloom[h / bits % words] >> ((h >> shift) % bits)) & 1))
		return NULL;
	for (i = buckets[h % nbuckets]; i >= first && i; i++) {
		if (((chain[i - first] ^ h) >> 1) == 0 && (found = matches(s, i, name, hidden)))
			return found;
		if (chain[i - first] & 1)
			break;
	}
	return NULL;
}

static const ElfW(Sym) * by_sysv_hash(const struct symbols *s, const char *name, bool hidden)
{
	uint32_t nbuckets = s->sysv[0], h = 0;
	const uint32_t *buckets = s->sysv + 2, *chain = buckets + nbuckets;
	const ElfW(Sym) * found;

	if (!nbuckets)
		return NULL;
	for (const char *c = name; *c; c++) {
		h = (h << 4) + (unsigned char)*c;
		h = (h ^ ((h >> 24) & 0xf0)) & 0x0fffffff;
	}
	for (uint32_t i = buckets[h % nbuckets]; i; i = chain[i])
		if ((found = matches(s, i, name, hidden)))
			return found;
	return NULL;
}

static void *find(const char *name)
{
	uint32_t n = list();

	for (int hidden = 0; hidden < 2; hidden++)
		for (uint32_t i = 0; i < n; i++) {
			const ElfW(Sym) * sym;
			struct symbols s;
			ElfW(Addr) at;
			if (!symbols_of(&objects[i], &s))
				continue;
			sym = s.gnu ? by_gnu_hash(&s, name, hidden) : by_sysv_hash(&s, name, hidden);
			if (!sym)
				continue;
			at = objects[i].base + sym->st_value;
			if ((sym->st_info & 15) == STT_GNU_IFUNC)
				at = ((ElfW(Addr)(*)(void))at)();
			return (void *)at;
		}
	return NULL;
}

/* ---- the interface ---- */

void *bind_resolve(enum hook_id id)
{
	void *p = find(names[id]);

	for (size_t i = 0; !p && i < ARRAY_SIZE(aliases); i++)
		if (aliases[i].missing == id)
			p = find(names[aliases[i].instead]);
	if (p)
		atomic_store_explicit(&bind_table[id], p, memory_order_relaxed);
	return p;
}

/* How many dynamic symbols there are: what a GNU table does not say is found behind its last chain. */
static uint32_t symbol_count(const struct symbols *s)
{
	uint32_t nbuckets, first, last = 0;
	const uint32_t *buckets, *chain;

	if (s->sysv)
		return s->sysv[1];
	nbuckets = s->gnu[0];
	first = s->gnu[1];
	buckets = (const uint32_t *)(const void *)((const ElfW(Addr) *)(const void *)(s->gnu + 4) + s->gnu[2]);
	chain = buckets + nbuckets;
	for (uint32_t i = 0; i < nbuckets; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < first)
		return first;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

struct mention {
	const char *const *wanted;
	size_t count;
};

static int mentions(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct mention *m = arg;
	struct object o = { .base = info->dlpi_addr };
	struct symbols s;
	uint32_t n;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			o.dyn = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	if (!o.dyn || is_vdso(info) || maps(info, &listed) || maps(info, bind_get(HOOK_read)) || !symbols_of(&o, &s))
		return 0;
	n = symbol_count(&s);
	for (uint32_t i = 1; i < n; i++)
		for (size_t k = 0; k < m->count; k++)
			if (strcmp(s.str + s.sym[i].st_name, m->wanted[k]) == 0)
				return 1;
	return 0;
}

bool bind_mentioned(const char *const *wanted, size_t count)
{
	struct mention m = { .wanted = wanted, .count = count };

	return dl_iterate_phdr(mentions, &m) != 0;
}

const char *bind_library_path(void)
{
	list();
	return library_path ? library_path : "";
}
