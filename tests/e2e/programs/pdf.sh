#!/bin/bash
# ghostscript, poppler, qpdf: ps to pdf and back, pages to images, merge and split, text
# packages: ghostscript poppler-utils qpdf
# differs: *.pdf *.ps
printf '%%!PS\n/Helvetica findfont 24 scalefont setfont\n1 1 5 { 72 700 moveto (page ) show 10 string cvs show showpage } for\n' >in.ps
gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=out.pdf in.ps && pdfinfo out.pdf | grep Pages && pdftotext out.pdf t.txt && tr -d '\f' <t.txt | head -n3 && gs -q -dBATCH -dNOPAUSE -sDEVICE=pngmono -r20 -sOutputFile=p%d.png out.pdf && ls *.png && rm *.png
qpdf --empty --pages out.pdf 2-3 out.pdf 5 -- merged.pdf && pdfinfo merged.pdf | grep Pages; qpdf --split-pages merged.pdf s-%d.pdf && ls s-*; qpdf --check merged.pdf | tail -n1; qpdf --replace-input --linearize merged.pdf && qpdf --check-linearization merged.pdf; pdftops merged.pdf back.ps && grep -c '%%Page:' back.ps; pdfseparate out.pdf x%d.pdf && pdfunite x1.pdf x4.pdf u.pdf && pdftotext u.pdf - | grep page; pdftoppm -r 10 u.pdf img && ls img*; ps2pdf in.ps p2.pdf && pdfimages -list p2.pdf | wc -l
