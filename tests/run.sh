#!/bin/bash
# Install, build with -Werror and test: tests/run.sh [unit|probe|e2e|fault|lint|hostile|fuzz|asan|tsan|model|bench|programs|gvisor]... [pytest or ctest options]
#
#   tests/run.sh                     everything but bench, programs and gvisor
#   tests/run.sh unit                Criterion programs, by ctest
#   tests/run.sh e2e -k rename       scenarios whose name contains "rename"
#   tests/run.sh hostile             a client that speaks to the broker's socket itself, and means harm
#   tests/run.sh fuzz --seconds N    each fuzz target for so long (default 5)
#   tests/run.sh asan                units and the scenarios marked `sanitized`, broker and tools under ASan and UBSan
#   tests/run.sh tsan                those scenarios under ThreadSanitizer
#   tests/run.sh model --minutes N   random calls, natively and on a mount, for so long (--seed S, --shrink, -k s3)
#   tests/run.sh programs            every scenario of tests/e2e/programs; writes docs/COMPATIBILITY.md
#   tests/run.sh gvisor              programs and objects once more, all of it inside gVisor (as root)
#   tests/run.sh bench               figures as JSON; never fails because of a time
#
# The shim itself is never instrumented: it lives in programs that are not. The status is not 0 when anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
unset LD_PRELOAD "${!AWS_@}" "${!S3SHIM_@}" PYTHONPATH VIRTUAL_ENV

parts=()
while [ $# -gt 0 ] && [[ $1 != -* ]]; do
	case $1 in
	unit | probe | e2e | fault | lint | hostile | fuzz | asan | tsan | model | bench | programs | gvisor) parts+=("$1") ;;
	*) sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || parts=(unit lint probe e2e fault hostile model fuzz asan tsan)

failed=()
step() {
	local name=$1 began=$SECONDS
	shift
	printf '\n=== %s\n' "$name"
	"$@" || failed+=("$name")
	printf '=== %s: %d s\n' "$name" $((SECONDS - began))
}

build() { # preset
	cmake --preset "$1" >"build/$1.configure.log" 2>&1 || { cat "build/$1.configure.log"; return 1; }
	cmake --build --preset "$1" -- --quiet
}

python_tests() { # preset, args
	S3SHIM_BUILD=build/$1 /usr/bin/python3 -m pytest -p no:cacheprovider -q -rfEs --durations=5 --tb=short "${@:2}"
}

# Instrumented programs report to where the broker has its stderr, and end at the first finding.
sanitized() { # preset, options
	export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:log_path=$PWD/build/$1/report
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$PWD/build/$1/report
	export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:log_path=$PWD/build/$1/report
	rm -f build/"$1"/report.*
	build "$1" || return 1
	local status=0
	[ "$1" = tsan ] || ctest --test-dir "build/$1" -L unit --output-on-failure -j2 || status=1
	S3SHIM_TEST_TIMEOUT=180 python_tests "$1" tests/e2e tests/model -m sanitized "${@:2}" || status=1
	if compgen -G "build/$1/report.*" >/dev/null; then
		head -n 60 build/"$1"/report.*
		status=1
	fi
	unset ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
	return $status
}

# No leases, other errnos of the kernel's own: so no probes, which compare those.
in_gvisor() {
	local runsc
	runsc=$(tests/support/install.sh gvisor) || return 1
	"$runsc" --network=none --ignore-cgroups do env PATH="$PATH" HOME="$HOME" S3SHIM_BUILD=build/ci S3SHIM_TEST_TIMEOUT=300 \
		/usr/bin/python3 -m pytest -p no:cacheprovider -q -rfEs --tb=short -k "not radosgw" \
		tests/e2e/test_noleases.py tests/e2e/test_objects.py tests/e2e/test_programs.py tests/e2e/test_bare.py "$@"
}

fuzz() {
	build fuzz && tests/fuzz/run.py "$@"
}

mkdir -p build
tests/support/install.sh test versitygw >/dev/null || exit 1
tests/support/install.sh busybox >/dev/null || true # its scenario says that it was not run
for part in "${parts[@]}"; do
	[[ $part =~ ^(asan|tsan|fuzz)$ ]] && continue
	step build build ci
	[ ${#failed[@]} -eq 0 ] || { echo "the build failed"; exit 1; }
	break
done
for part in "${parts[@]}"; do
	case $part in
	unit) step unit ctest --test-dir build/ci -L unit --output-on-failure -j2 "$@" ;;
	probe) step probe python_tests ci tests/e2e/test_probes.py "$@" ;;
	e2e) step e2e python_tests ci tests/e2e --ignore=tests/e2e/test_probes.py "$@" ;;
	fault) step fault python_tests ci tests/fault "$@" ;;
	hostile) step hostile python_tests ci tests/hostile "$@" ;;
	fuzz) step fuzz fuzz "$@" ;;
	model) step model python_tests ci tests/model -s "$@" ;;
	lint) step lint python_tests ci tests/lint "$@" ;;
	asan | tsan) step "$part" sanitized "$part" "$@" ;;
	programs)
		tests/support/install.sh programs
		export S3SHIM_PROGRAMS=all S3SHIM_COMPATIBILITY=$PWD/docs/COMPATIBILITY.md
		step programs python_tests ci tests/e2e/test_matrix.py "$@"
		unset S3SHIM_PROGRAMS S3SHIM_COMPATIBILITY
		;;
	gvisor) step gvisor in_gvisor "$@" ;;
	bench) tests/support/install.sh bench && S3SHIM_BUILD=build/ci step bench /usr/bin/python3 tests/bench/bench.py "$@" ;;
	esac
done
printf '\n%d s' $SECONDS
if [ ${#failed[@]} -gt 0 ]; then
	printf ', FAILED: %s\n' "${failed[*]}"
	exit 1
fi
printf ', all passed: %s\n' "${parts[*]}"
