/**
 * What a TensorRT engine is bound to: the TensorRT that built it and the device it was built on. An engine of another machine may not
 * load, or may load and run slowly or wrong; so all of it goes into the key of the cache.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { reason } from '../errors';
import { hashFile } from '../hash';
import { installedVersion } from './ort_dir';

export interface MachineFacts {
  /** Name -> value, all of them part of the key. */
  facts: Readonly<Record<string, string>>;
  /** Compute capability without its point, where it is known. */
  architecture: string | null;
}

const libraryDirs = ['usr/lib/aarch64-linux-gnu', 'usr/lib/x86_64-linux-gnu', 'usr/local/tensorrt/lib', 'usr/lib'];
/** Compute capability by the chip that the device tree names. JetPack 6 runs on Orin only. */
const chips: Readonly<Record<string, string>> = { 'nvidia,tegra234': '87', 'nvidia,tegra194': '72' };

function firstLine(path: string): string | null {
  try {
    return (
      readFileSync(path, 'utf8')
        .split(/[\n\0]/)[0]
        ?.trim() || null
    );
  } catch {
    return null; // not on this kind of machine
  }
}

/** File names of libnvinfer with their full versions, as libnvinfer.so.10.3.0. */
function tensorrtLibraries(root: string): string[] {
  const found = new Set<string>();
  for (const dir of libraryDirs.map((name) => join(root, name))) {
    let names: string[];
    try {
      names = readdirSync(dir);
    } catch {
      continue;
    }
    for (const name of names) if (/^libnvinfer\.so\.\d+$/.test(name)) found.add(basename(realpathSync(join(dir, name))));
  }
  return [...found].sort();
}

/** Name, compute capability and driver of each GPU of a desktop card; null where nvidia-smi is not to be had. */
async function cards(): Promise<string[] | null> {
  try {
    const query = ['--query-gpu=name,compute_cap,driver_version', '--format=csv,noheader'];
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 });
    const lines = stdout.split('\n').map((line) => line.trim());
    return lines.filter((line) => line !== '');
  } catch {
    return null;
  }
}

/** `root` stands for /, for tests. Throws an Error with a sentence where the GPU cannot be told: an engine could not be keyed. */
export async function describeMachine(trtexec: string, root = '/'): Promise<MachineFacts> {
  const board = firstLine(join(root, 'proc/device-tree/model'));
  const tree = join(root, 'proc/device-tree/compatible');
  let architecture: string | null = null;
  const gpus: string[] = [];
  if (board === null) {
    gpus.push(...((await cards()) ?? []));
    architecture =
      /, (\d+)\.(\d+), /
        .exec(gpus[0] ?? '')
        ?.slice(1)
        .join('') ?? null;
    if (gpus.length === 0) throw new Error('the GPU cannot be told: no /proc/device-tree/model, and nvidia-smi gave nothing');
  } else {
    let compatible: string[] = [];
    try {
      compatible = readFileSync(tree, 'latin1').split('\0');
    } catch {
      // The board's name stands in the key all the same.
    }
    architecture = compatible.map((chip) => chips[chip]).find((known) => known !== undefined) ?? null;
  }
  let program: string;
  try {
    program = (await hashFile(realpathSync(trtexec))).sha256;
  } catch (thrown) {
    throw new Error(`${trtexec} cannot be read (${reason(thrown)})`, { cause: thrown });
  }
  const facts = {
    arch: process.arch,
    board: board ?? '',
    gpus: gpus.join('; '),
    architecture: architecture ?? '',
    l4t: firstLine(join(root, 'etc/nv_tegra_release')) ?? '',
    driver: firstLine(join(root, 'proc/driver/nvidia/version')) ?? '',
    tensorrt: tensorrtLibraries(root).join(' '),
    trtexec: program,
    onnxruntime: installedVersion(),
  };
  return { facts, architecture };
}
