#!/bin/bash
# pandoc: markdown to html, docx, epub and back, an included filter, extracted media, data folder on the mount
# packages: pandoc
# differs: *.docx *.epub *.odt
printf '# Title\n\nText *with* emphasis and a [link](x.html).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n' >in.md && for t in html docx epub odt latex rst; do pandoc --metadata title=T in.md -o "out.$t" 2>/dev/null; done; ls; cat out.html out.rst
pandoc out.docx -t plain; pandoc out.epub -t markdown | tail -n 5; mkdir -p data/templates && echo '<b>$title$</b>$body$' >data/templates/mine.html && pandoc --data-dir data --template mine --metadata title=T in.md -o t.html && cat t.html; echo 'function Str(s) s.text = s.text:upper() return s end' >f.lua && pandoc --lua-filter f.lua in.md -t plain
