// The same network in PyTorch, one process per choice of BLAS kernels, each waiting until it is asked for a run: so runs can be interleaved.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('network.py', import.meta.url));

/** OpenBLAS's name for the widest kernels this machine can run; null off x64. */
function widest() {
  if (process.arch !== 'x64') return null;
  return / avx512f /.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 'SKYLAKEX' : 'HASWELL';
}

/** Label, and what OPENBLAS_CORETYPE is set to (null: not set, OpenBLAS looks at the processor itself). */
export function choices() {
  const fromOutside = process.env.OPENBLAS_CORETYPE;
  const wide = widest();
  return [
    ['untuned, OPENBLAS_* not set', null],
    ...(wide === null ? [] : [[`tuned, OPENBLAS_CORETYPE=${wide}`, wide]]),
    ...(fromOutside === undefined || fromOutside.toUpperCase() === wide
      ? []
      : [[`as this environment has it, OPENBLAS_CORETYPE=${fromOutside}`, fromOutside]]),
  ];
}

/**
 * A process with the network ready. `about`: version, element type, BLAS, kernels, threads. `run`: one inference, ms. `tokens`: V-V tokens of the
 * picture [patches, width]. Null where /usr/bin/python3 cannot import torch, or something else went wrong; stderr says what.
 */
export async function startTorch({ clip, picture, size, dir }, label, coretype) {
  const env = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
  for (const name of Object.keys(env)) if (/^OPENBLAS_(?!NUM_THREADS)/.test(name)) delete env[name];
  if (coretype !== null) env.OPENBLAS_CORETYPE = coretype;
  const name = label.replace(/\W+/g, '-');
  const [imagePath, tokensPath] = [join(dir, 'picture.f32'), join(dir, `tokens-${name}.f32`)];
  writeFileSync(imagePath, new Uint8Array(picture.buffer, picture.byteOffset, picture.byteLength));
  const child = spawn('/usr/bin/python3', [program, clip, String(size), imagePath, tokensPath], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.on('error', () => undefined); // its output ends, which is seen below
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) return null;
  const bytes = readFileSync(tokensPath);
  return {
    label,
    about: JSON.parse(first.value),
    tokens: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
    async run() {
      child.stdin.write('\n');
      const { value, done } = await lines.next();
      if (done) throw new Error(`PyTorch (${label}) ended`);
      return Number(value);
    },
    end: () => child.stdin.end(),
  };
}
