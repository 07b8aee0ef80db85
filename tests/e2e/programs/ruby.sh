#!/bin/bash
# ruby: FileUtils, Dir.glob, PStore, Tempfile, IO.copy_stream, flock, require from the mount, Marshal, mmap-free reads
# packages: ruby
echo 'module Lib; def self.x; 42; end; end' >lib.rb
ruby -I. - <<'R'
require 'fileutils'; require 'pstore'; require 'tempfile'; require 'lib'; require 'find'; require 'digest'; require 'csv'; require 'pathname'; require 'open3'
puts Lib.x; FileUtils.mkdir_p 'a/b/c'; 20.times { |i| File.write("a/f#{i}", "#{i}\n" * i) }; FileUtils.cp_r 'a', 'z'; FileUtils.mv 'z/f3', 'z/b/'; FileUtils.ln_s 'f4', 'z/l'; puts File.readlink('z/l'), File.realpath('z/l').end_with?('z/f4'); FileUtils.rm_r 'z/b'
puts Dir.glob('**/f1*').sort.last(3), Dir.children('a').size, Find.find('.').count; s = PStore.new('store'); s.transaction { s[:k] = [1, 2] }; s.transaction(true) { p s[:k] }; File.delete 'store'
Tempfile.create('t', '.') { |t| t.write 'x' * 5000; t.rewind; puts t.read.size, File.exist?(t.path) }; IO.copy_stream('a/f19', 'copied'); puts Digest::MD5.file('copied').hexdigest; File.open('copied', 'r+') { |f| f.flock(File::LOCK_EX); f.seek 3; f.write 'XX'; f.truncate 20; puts f.size, f.pos }
File.open('copied') { |f| p f.pread(4, 2), f.gets, f.readlines.size }; CSV.open('c.csv', 'w') { |c| 100.times { |i| c << [i, i * i] } }; puts CSV.read('c.csv', converters: :numeric).sum { |r| r[1] }; Pathname('c.csv').each_line.first(1).each { |l| puts l }; File.utime(1, 2, 'c.csv'); File.chmod(0600, 'c.csv'); puts File.stat('c.csv').mode.to_s(8), File.mtime('c.csv').to_i
out, st = Open3.capture2('wc -l', stdin_data: File.read('c.csv')); puts out, st.success?; pid = fork { File.open('forked', 'a') { |f| f.puts 'child' } }; Process.wait pid; puts File.read('forked'); system('cat forked > by_system'); spawn('sort -rn c.csv', out: 'sorted'); Process.wait; puts File.foreach('sorted').first; Thread.new { File.write('thread', 't') }.join
[-> { Dir.rmdir 'a' }, -> { File.read 'none' }, -> { Dir.mkdir 'a' }, -> { File.open('a', 'w') }].each { |f| begin; f.call; rescue SystemCallError => e; puts e.class; end }; Dir.chdir('a') { puts Dir.pwd.end_with?('/a'), File.read('f2') }; puts IO.read('a/f19', 5, 4).inspect; at_exit { File.write('at_exit', 'bye') }
R
cat at_exit; ruby -i.old -ne 'print $_.upcase' forked && cat forked
