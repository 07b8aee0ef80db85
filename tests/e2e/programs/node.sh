#!/bin/bash
# node: streams, fs.promises, fs.cp, opendir, sync calls, modules by require and import, worker threads, appendFile
# packages: nodejs
cat >m.js <<'J'
exports.x = 21
J
echo 'export const y = 2' >n.mjs
cat >main.mjs <<'J'
import fs from 'fs'; import fsp from 'fs/promises'; import { pipeline } from 'stream/promises'; import zlib from 'zlib'; import { createRequire } from 'module'; import { Worker } from 'worker_threads'; import { once } from 'events'; import { y } from './n.mjs'; import { execFileSync } from 'child_process'; import crypto from 'crypto'
console.log(createRequire(import.meta.url)('./m.js').x * y, process.cwd() === process.env.W)
await fsp.mkdir('a/b/c', { recursive: true }); await fsp.writeFile('a/f', 'x'.repeat(200000)); await fsp.appendFile('a/f', 'end')
await pipeline(fs.createReadStream('a/f'), zlib.createGzip(), fs.createWriteStream('a/f.gz')); await pipeline(fs.createReadStream('a/f.gz'), zlib.createGunzip(), fs.createWriteStream('a/b/g'))
console.log(crypto.createHash('md5').update(fs.readFileSync('a/b/g')).digest('hex'), (await fsp.stat('a/f')).size, fs.readFileSync('a/f', { encoding: 'utf8' }).slice(-4)); await fsp.rm('a/f.gz')
await fsp.copyFile('a/f', 'a/copied'); await fsp.cp('a', 'tree', { recursive: true }); await fsp.rename('tree/copied', 'tree/moved'); await fsp.symlink('moved', 'tree/link'); console.log(await fsp.readlink('tree/link'), fs.realpathSync('tree/link').endsWith('tree/moved'))
console.log((await fsp.readdir('tree', { withFileTypes: true })).map(d => [d.name, d.isDirectory()]).sort().join(' ')); for await (const d of await fsp.opendir('a')) if (d.name === 'b') console.log('b')
const h = await fsp.open('rw', 'w+'); await h.write('0123456789'); await h.write('XX', 4); console.log((await h.read(Buffer.alloc(4), 0, 4, 3)).buffer.toString(), (await h.stat()).size); await h.truncate(6); await h.sync(); await h.chmod(0o600); await h.utimes(1, 2); await h.close(); console.log(fs.statSync('rw').mode & 0o777, fs.statSync('rw').mtimeMs)
await Promise.all([...Array(60).keys()].map(i => fsp.writeFile(`a/b/c/${i}`, `${i}`))); console.log((await Promise.all((await fsp.readdir('a/b/c')).map(n => fsp.readFile(`a/b/c/${n}`, 'utf8')))).map(Number).reduce((p, q) => p + q))
const w = new Worker('require("fs").writeFileSync("by-worker", "w"); require("worker_threads").parentPort.postMessage(require("fs").readdirSync(".").length)', { eval: true }); console.log((await once(w, 'message'))[0]); console.log(execFileSync('cat', ['by-worker']).toString())
fs.appendFileSync('sync', 'one'); fs.appendFileSync('sync', 'two'); fs.ftruncateSync(fs.openSync('sync', 'r+'), 4); fs.mkdtempSync('tmp-').length; for (const n of fs.readdirSync('.').filter(n => n.startsWith('tmp-'))) fs.rmdirSync(n); await fsp.rm('tree', { recursive: true }); for (const f of [() => fs.readFileSync('none'), () => fs.mkdirSync('a'), () => fs.rmdirSync('a'), () => fs.openSync('a', 'w')]) try { f() } catch (e) { console.log(e.code) }
J
node main.mjs; echo 'console.log(require("./m").x, __dirname, __filename)' >c.cjs && node c.cjs; printf '#!/usr/bin/env node\nconsole.log("tool", process.argv[2])\n' >tool && chmod +x tool && ./tool x
