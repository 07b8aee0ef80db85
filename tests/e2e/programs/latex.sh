#!/bin/bash
# LaTeX: table of contents in two runs, auxiliary files written and read again, an included file, dvi and pdf
# packages: texlive-latex-base
# differs: *.pdf *.dvi *.log
mkdir parts && printf '\\documentclass{article}\\begin{document}\\tableofcontents\\section{One}\\label{a}See \\ref{b} on page \\pageref{b}.\\include{parts/two}\\end{document}\n' >main.tex && printf '\\section{Two}\\label{b}Back to \\ref{a}.\\newpage more\n' >parts/two.tex
for i in 1 2 3; do pdflatex -interaction=batchmode -no-shell-escape main.tex >/dev/null; done; ls . parts; cat main.toc main.aux parts/two.aux; grep -c Warning main.log || true; head -c 5 main.pdf; mkdir -p parts/parts; latex -interaction=batchmode -output-directory=parts main.tex >/dev/null; ls parts; dvips -q parts/main.dvi -o out.ps 2>/dev/null && grep -c '%%Page:' out.ps && rm out.ps || echo no dvips
