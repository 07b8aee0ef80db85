#include "shim/bind.h"

#include <criterion/criterion.h>

__thread int vfork_depth;

static const char *const names[] = {
#define HOOK(family, name) #name,
#include "shim/hooks.def"
#undef HOOK
};

Test(bind, finds_what_dlsym_finds)
{
	for (int i = 0; i < HOOK_MAX; i++) {
		void *libc = dlsym(RTLD_NEXT, names[i]);
		void *ours = bind_get((enum hook_id)i);
		if (libc)
			cr_expect_eq(ours, libc, "%s: %p, dlsym has %p", names[i], ours, libc);
	}
}

Test(bind, default_version_not_the_oldest)
{
	char *(*real)(const char *, char *) = REAL(realpath);
	char *path = real("/usr/../", NULL); /* EINVAL in the oldest version */

	cr_assert_not_null(path);
	cr_expect_str_eq(path, "/");
	free(path);
}

Test(bind, every_hook_has_an_original_or_none_anywhere)
{
	for (int i = 0; i < HOOK_MAX; i++)
		cr_expect(bind_get((enum hook_id)i) || !dlsym(RTLD_DEFAULT, names[i]), "%s", names[i]);
}
