#include "volume/volume.h"

#include <errno.h>

int volume_s3_new(const struct volume_s3_config *config, struct volume **ret, struct err *err)
{
	(void)ret;
	return err_set(err, ENOSYS, "the S3 volume for '%s' is not built yet", config->mount);
}
