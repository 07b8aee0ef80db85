"""Questions about restaurants: solution.py count|by-neighbourhood|best"""
import csv
import sys
from collections import Counter

with open("/tmp/RESTAURANTES.CSV", newline="") as f:
    rows = list(csv.DictReader(f))

if sys.argv[1] == "count":
    print(len(rows))
elif sys.argv[1] == "by-neighbourhood":
    for name, n in sorted(Counter(r["neighbourhood"] for r in rows).items()):
        print(name, n)
else:
    wanted = input()
    print(max((r for r in rows if r["neighbourhood"] == wanted), key=lambda r: float(r["rating"]))["name"])
