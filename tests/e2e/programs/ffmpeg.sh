#!/bin/bash
# ffmpeg: mp4 with faststart (the file is rewritten in place), segments, a playlist, frames as images, ffprobe, concat
# packages: ffmpeg
# differs: *.mkv
f="ffmpeg -nostdin -v error -y -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -threads 1"
$f -f lavfi -i testsrc=size=160x120:rate=10:duration=3 -f lavfi -i sine=frequency=440:duration=3 -c:v mpeg4 -c:a aac -map_metadata -1 -movflags +faststart a.mp4
ffprobe -v error -show_entries format=duration,size -of csv=p=0 a.mp4; head -c 300 a.mp4 | tr -dc a-z | grep -o moov || head -c 40 a.mp4 | tr -dc 'a-z\n'; $f -i a.mp4 -c copy -f segment -segment_time 1 -segment_list list.m3u8 seg%d.ts && cat list.m3u8 && ls
$f -i a.mp4 -vf fps=2 frame%02d.png && ls frame*; printf "file 'a.mp4'\nfile 'a.mp4'\n" >two && $f -f concat -safe 0 -i two -c copy both.mkv && ffprobe -v error -show_entries format=duration -of csv=p=0 both.mkv; $f -i a.mp4 -vn a.wav && $f -ss 1 -t 1 -i a.wav b.flac && ffprobe -v error -show_entries stream=codec_name -of csv=p=0 b.flac; $f -i a.mp4 -c copy -f mp4 -movflags frag_keyframe+empty_moov - | wc -c
