/** A rig that is none: a device tree, a TensorRT library by name, and a trtexec that does as it is told. */
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pino from 'pino';
import { EngineCache, type EngineCacheDeps, type EngineCacheOptions } from '../../src/inspect/engine_cache';

export type Behaviour =
  | 'ok'
  | 'fails'
  | 'hangs'
  | 'killed'
  | 'crashes'
  | 'writes nothing'
  | 'writes an empty file'
  | 'makes a folder'
  | 'makes a link'
  | 'floods'
  | 'fills the disk'
  | 'slow'
  | 'writes a bad engine'
  | 'writes another engine'; // of the file `another.onnx` beside it

/** Copies the model in place of an engine, unless told otherwise by the file `behaviour` beside it. */
const program = `#!${process.execPath}
const fs = require('node:fs'), path = require('node:path');
const flag = (name) => (process.argv.find((arg) => arg.startsWith('--' + name + '=')) || '').split('=').slice(1).join('=');
const here = (name) => path.join(__dirname, name);
fs.appendFileSync(here('calls'), JSON.stringify({ args: process.argv.slice(2), env: Object.keys(process.env) }) + '\\n');
console.log('&&&& RUNNING TensorRT.trtexec [TensorRT v100300]');
const write = () => fs.copyFileSync(flag('onnx'), flag('saveEngine'));
const does = {
  ok: () => { fs.appendFileSync(flag('timingCacheFile'), 'timing'); write(); },
  fails: () => { console.error('[E] [TRT] ModelImporter.cpp: parse failed'); console.log('&&&& FAILED'); process.exitCode = 1; },
  hangs: () => {
    const child = require('node:child_process').spawn('sleep', ['600'], { stdio: 'inherit' });
    fs.writeFileSync(here('pids'), process.pid + ' ' + child.pid);
    console.log('[I] tactic 7 of 900');
    setInterval(() => {}, 1000);
  },
  killed: () => process.kill(process.pid, 'SIGKILL'),
  crashes: () => process.abort(),
  'writes nothing': () => {},
  'writes an empty file': () => fs.writeFileSync(flag('saveEngine'), ''),
  'makes a folder': () => fs.mkdirSync(flag('saveEngine')),
  'makes a link': () => fs.symlinkSync(flag('onnx'), flag('saveEngine')),
  floods: () => process.stdout.write('x'.repeat(40e6), write),
  'fills the disk': () => { console.error('[E] Error saving engine: No space left on device'); process.exitCode = 1; },
  slow: () => setTimeout(write, 1500),
  'writes a bad engine': () => fs.writeFileSync(flag('saveEngine'), 'not what TensorRT reads'),
  'writes another engine': () => fs.copyFileSync(here('another.onnx'), flag('saveEngine')),
};
does[fs.existsSync(here('behaviour')) ? fs.readFileSync(here('behaviour'), 'utf8') : 'ok']();
`;

export class FakeRig {
  readonly root: string; // stands for /
  readonly trtexec: string;
  readonly lines: Record<string, unknown>[] = [];
  readonly progress: string[] = [];

  constructor(
    readonly dir: string,
    changes: { model?: string; tensorrt?: string } = {},
  ) {
    this.root = join(dir, 'root');
    this.put('proc/device-tree/model', `${changes.model ?? 'NVIDIA Jetson Orin Nano Developer Kit'}\0`);
    this.put('proc/device-tree/compatible', 'nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0');
    this.put('etc/nv_tegra_release', '# R36 (release), REVISION: 4.3\n');
    const library = `libnvinfer.so.${changes.tensorrt ?? '10.3.0'}`;
    this.put(`usr/lib/aarch64-linux-gnu/${library}`, '');
    symlinkSync(library, join(this.root, 'usr/lib/aarch64-linux-gnu/libnvinfer.so.10'));
    this.trtexec = join(dir, 'bin', 'trtexec');
    mkdirSync(dirname(this.trtexec), { recursive: true });
    writeFileSync(this.trtexec, program);
    chmodSync(this.trtexec, 0o755);
  }

  put(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  behave(how: Behaviour): void {
    writeFileSync(join(dirname(this.trtexec), 'behaviour'), how);
  }

  /** Each start of trtexec: arguments, and names of environment variables. */
  get calls(): { args: string[]; env: string[] }[] {
    const file = join(dirname(this.trtexec), 'calls');
    if (!existsSync(file)) return [];
    const text = readFileSync(file, 'utf8').trim();
    return text.split('\n').map((line) => JSON.parse(line) as { args: string[]; env: string[] });
  }

  /** Processes of a trtexec that hangs. */
  get pids(): number[] {
    return readFileSync(join(dirname(this.trtexec), 'pids'), 'utf8')
      .split(' ')
      .map(Number);
  }

  cache(options: Partial<EngineCacheOptions> = {}, deps: Partial<EngineCacheDeps> = {}): EngineCache {
    const write = (line: string) => this.lines.push(JSON.parse(line) as Record<string, unknown>);
    return new EngineCache(
      {
        dir: join(this.dir, 'cache'),
        trtexec: this.trtexec,
        precision: 'bundle',
        workspace: 1024,
        timeout: 60_000,
        root: this.root,
        ...options,
      },
      { diagnostics: pino({ level: 'trace' }, { write }), progress: (text) => this.progress.push(text), ...deps },
    );
  }
}

/** False for one that has ended, though nobody has asked for its exit code yet. */
export function alive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
