#!/bin/bash
# ImageMagick: convert, mogrify in place, montage, identify, its disk cache on the mount
# packages: imagemagick
# differs: *.png *.gif *.mpc *.cache
convert -size 200x150 gradient:red-blue a.png && convert a.png -resize 50% -strip b.jpg && identify -format '%m %w %h\n' a.png b.jpg && cp b.jpg c.jpg && mogrify -rotate 90 -format gif c.jpg && mogrify -resize 20x c.jpg && identify -format '%m %w %h\n' c.jpg c.gif
export MAGICK_TEMPORARY_PATH=$W; convert -limit memory 1MB -limit map 2MB -size 1000x800 plasma:fractal -seed 1 -blur 0x2 big.ppm && identify -format '%w %h\n' big.ppm && rm big.ppm; montage a.png b.jpg -geometry 40x30+1+1 m.miff && identify -format '%w %h\n' m.miff; convert a.png -crop 100x75 +repage tile%d.png && ls; compare -metric AE a.png a.png null: 2>&1; echo; convert a.png b.jpg pages.tiff && identify -format '%p ' pages.tiff; convert pages.tiff[1] one.bmp && identify -format '%m %w\n' one.bmp; convert a.png s.mpc && identify -format '%m %h\n' s.mpc; ls -A | wc -l
