#!/bin/bash
# The autograder on three submissions, with an S3 server of its own: examples/grading/demo.sh [bwrap|none]
#
# Puts the assignment's data set into a bucket, grades a good submission, a wrong one and one that looks for keys, other
# objects and the network; then the good one once more without the data set, which is nobody's fault but ours.
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
here=$top/examples/grading
sandbox=${1:-bwrap}
build_products
if [ "$sandbox" = bwrap ] && ! why=$(try_bwrap); then
	die "$why; 'examples/grading/demo.sh none' grades without it"
fi

say "The bucket, and the data set in it"
start_versitygw autograder-assets || die "no S3 server can be had here"
export ASSET_S3_ALLOWED_BUCKETS=autograder-assets ASSET_S3_MAX_BYTES=10M
show "$products/s3run" --bucket autograder-assets -- mkdir -p /s3/datasets/tp2
show "$products/s3run" --bucket autograder-assets -- cp "$here/assignment/RESTAURANTES.CSV" /s3/datasets/tp2/
echo "the answers" | "$products/s3run" --bucket autograder-assets -- tee /s3/datasets/tp2/ANSWERS.CSV

grade() {
	/usr/bin/python3 "$here/autograder.py" --s3run "$products/s3run" --sandbox "$sandbox" --assignment "$here/assignment" \
		--submission "$here/submissions/$1" --results "$tmp/results.json"
	printf 'status %s\n' $?
	cat "$tmp/results.json"
}

for submission in good wrong hostile; do
	say "Grading '$submission'"
	grade $submission
done

say "Grading 'good' while the data set is missing"
"$products/s3run" --bucket autograder-assets -- rm /s3/datasets/tp2/RESTAURANTES.CSV
grade good
exit 0
