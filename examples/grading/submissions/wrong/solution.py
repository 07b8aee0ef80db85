"""Counts the head of the table too, and knows no maximum."""
import sys

with open("/tmp/RESTAURANTES.CSV") as f:
    lines = f.read().splitlines()

if sys.argv[1] == "count":
    print(len(lines))
elif sys.argv[1] == "by-neighbourhood":
    names = [line.split(",")[1] for line in lines[1:]]
    for name in sorted(set(names)):
        print(name, names.count(name))
else:
    sys.exit(66)  # also a status of s3run's
