#include "fixture.h"

#include "base/log.h"
#include "base/util.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(options, .init = fixture_begin, .fini = fixture_end);

Test(options, defaults)
{
	cr_assert_eq(load("--bucket", "b"), 0, "%s", err_text(&err));
	cr_assert_eq(config.ttl_ms, 1000);
	cr_assert_eq(config.deadline_ms, 30000);
	cr_assert_eq(config.put_max_bytes, MIB(16));
	cr_assert_eq(config.parallel, 8);
	cr_assert_eq(config.log_level, LOG_INFO);
	cr_assert(config.require_preload);
	cr_assert_eq(config.control_fd, -1);
	cr_assert_null(config.cache_dir);
}

Test(options, flag_before_environment_before_file_before_default)
{
	const char *file = json_file("{\"bucketName\": \"b\", \"ttl\": \"3s\", \"parallel\": 3, \"connections\": 3}");

	setenv("S3SHIM_TTL", "2s", 1);
	setenv("S3SHIM_PARALLEL", "2", 1);
	cr_assert_eq(load("--config", file, "--ttl=1ms"), 0, "%s", err_text(&err));
	cr_assert_eq(config.ttl_ms, 1);
	cr_assert_eq(config.parallel, 2);
	cr_assert_eq(config.connections, 3);
	cr_assert_eq(config.deadline_ms, 30000);
}

Test(options, last_flag_wins)
{
	cr_assert_eq(load("--bucket", "a", "--bucket=b"), 0);
	cr_assert_str_eq(config.mounts[0].bucket, "b");
}

Test(options, sizes_and_times)
{
	cr_assert_eq(load("--bucket=b", "--memory=64M", "--put-max=1GiB", "--part-size=6000000", "--ttl=250",
			  "--deadline=2m", "--connect-timeout=500ms"),
		     0, "%s", err_text(&err));
	cr_assert_eq(config.memory_bytes, MIB(64));
	cr_assert_eq(config.put_max_bytes, GIB(1));
	cr_assert_eq(config.part_bytes, 6000000);
	cr_assert_eq(config.ttl_ms, 250);
	cr_assert_eq(config.deadline_ms, 120000);
	cr_assert_eq(config.connect_timeout_ms, 500);
}

Test(options, program_begins_behind_two_dashes)
{
	cr_assert_eq(load("--bucket=b", "--", "ls", "-l"), 0);
	cr_assert_eq(rest.argc, 2);
	cr_assert_str_eq(rest.argv[0], "ls");
}

Test(options, program_begins_at_first_word)
{
	cr_assert_eq(load("--bucket=b", "ls", "--bucket", "c"), 0);
	cr_assert_eq(rest.argc, 3);
	cr_assert_str_eq(config.mounts[0].bucket, "b");
}

Test(options, help_needs_nothing_else)
{
	cr_assert_eq(load("--help"), 0);
	cr_assert(config.help);
}

Test(options, flags_that_say_no)
{
	cr_assert_eq(load("--bucket=b", "--no-verify-ssl", "--no-require-preload"), 0);
	cr_assert(config.mounts[0].verify_tls_off);
	cr_assert_not(config.require_preload);
}

Test(options, environment_says_it_by_the_key)
{
	setenv("S3SHIM_VERIFY_SSL", "true", 1);
	setenv("S3SHIM_REQUIRE_PRELOAD", "no", 1);
	cr_assert_eq(load("--bucket=b"), 0);
	cr_assert_not(config.mounts[0].verify_tls_off);
	cr_assert_not(config.require_preload);
}

Test(options, aws_names_count_behind_our_own)
{
	setenv("AWS_ENDPOINT_URL", "http://one", 1);
	setenv("AWS_REGION", "eu-west-1", 1);
	cr_assert_eq(load("--bucket=b"), 0);
	cr_assert_str_eq(config.mounts[0].endpoint, "http://one");
	cr_assert_str_eq(config.mounts[0].region, "eu-west-1");
	setenv("S3SHIM_ENDPOINT", "http://two", 1);
	cr_assert_eq(load("--bucket=b"), 0);
	cr_assert_str_eq(config.mounts[0].endpoint, "http://two");
}

Test(options, empty_environment_is_none)
{
	setenv("S3SHIM_TTL", "", 1);
	cr_assert_eq(load("--bucket=b"), 0);
	cr_assert_eq(config.ttl_ms, 1000);
}

Test(options, unknown_names_the_nearest)
{
	cr_fails("unknown option '--buket'; did you mean '--bucket'?", "--buket", "b");
	cr_fails("unknown option '--endpiont'; did you mean '--endpoint'?", "--endpiont=http://x");
	cr_fails("unknown option '--qqqqqqqqqq'; see --help", "--qqqqqqqqqq");
	cr_fails("unknown option '-b'; see --help", "-b");
}

Test(options, value_is_missing)
{
	cr_fails("--bucket needs a value: NAME", "--bucket");
}

Test(options, bad_values_are_named_as_written)
{
	setenv("S3SHIM_PARALLEL", "many", 1);
	cr_fails("--memory '12Q' is not a size such as 64M or 1GiB", "--bucket=b", "--parallel=1", "--memory=12Q");
	cr_fails("S3SHIM_PARALLEL 'many' is not a number from 1 to 1024", "--bucket=b");
	unsetenv("S3SHIM_PARALLEL");
	cr_fails("--ttl '3 weeks' is not a time such as 500ms or 30s", "--bucket=b", "--ttl", "3 weeks");
	cr_fails("--log-level 'loud' is not 'debug', 'info', 'warn' or 'error'", "--bucket=b", "--log-level", "loud");
	cr_fails("--scheme 'ftp' is not 'http' or 'https'", "--bucket=b", "--scheme=ftp");
	cr_fails("--read-only 'maybe' is not 'true' or 'false'", "--bucket=b", "--read-only=maybe");
	cr_fails("--proxy-port '70000' is not a port, 1 to 65535", "--bucket=b", "--proxy-port=70000");
}

Test(options, parts_are_of_the_size_that_s3_takes)
{
	cr_fails("--part-size '1M' is not between 5MiB and 5GiB, which S3 asks of a part", "--bucket=b",
		 "--part-size=1M");
	cr_fails("--put-max '6GiB' is more than 5GiB, the most that S3 takes in one PUT", "--bucket=b",
		 "--put-max=6GiB");
}

Test(options, cache_sizes_by_their_older_names)
{
	const char *file =
	    json_file("{\"bucketName\": \"b\", \"maxCloudCacheSize\": \"1G\", \"maxFileCacheUploadSize\": "
		      "\"2G\", \"maxCloudCacheDownloadSize\": \"3M\"}");

	cr_assert_eq(load("--bucket=b", "--max-cloud-cache-size=64M", "--max-cloud-cache-upload-size=65M",
			  "--max-cloud-cache-download-size=66M"),
		     0, "%s", err_text(&err));
	cr_assert_eq(config.cloud_cache_bytes, MIB(64));
	cr_assert_leq(config.memory_bytes, MIB(64)); /* what was said of the cache holds of memory too */
	cr_assert_eq(config.dirty_max_bytes, MIB(65));
	cr_assert_eq(config.readahead_bytes, MIB(66));
	cr_assert_eq(load("--bucket=b", "--max-file-cache-size=64M", "--max-file-cache-upload-size=65M",
			  "--max-file-cache-download-size=66M"),
		     0, "%s", err_text(&err));
	cr_assert_eq(config.cloud_cache_bytes, MIB(64));
	cr_assert_leq(config.memory_bytes, MIB(64)); /* what was said of the cache holds of memory too */
	cr_assert_eq(config.dirty_max_bytes, MIB(65));
	cr_assert_eq(config.readahead_bytes, MIB(66));
	cr_assert_eq(load("--config", file), 0, "%s", err_text(&err));
	cr_assert_eq(config.cloud_cache_bytes, GIB(1));
	cr_assert_leq(config.memory_bytes, GIB(1));
	cr_assert_eq(config.dirty_max_bytes, GIB(2));
	cr_assert_eq(config.readahead_bytes, MIB(3));
	cr_fails("--max-file-cache-download-size '0' is less than 64KiB, the least that is fetched", "--bucket=b",
		 "--max-file-cache-download-size=0");
}

Test(options, sizes_do_not_overflow)
{
	cr_fails("--memory '99999999T' is not a size such as 64M or 1GiB", "--bucket=b", "--memory=99999999T");
}

Test(options, relative_paths_become_absolute)
{
	cr_assert_eq(chdir("/usr"), 0);
	cr_assert_eq(load("--bucket=b", "--cache-dir=lib", "--log=-"), 0);
	cr_assert_str_eq(config.cache_dir, "/usr/lib");
	cr_assert_str_eq(config.log_path, "-");
}

Test(options, daemon_fields_survive_a_failure)
{
	cr_assert_eq(load("--control-fd", "7"), -EINVAL);
	cr_assert_eq(config.control_fd, 7);
}
