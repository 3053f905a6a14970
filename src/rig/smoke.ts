/**
 * Run as a program of its own with VERDICTD_ORT_DIR set: one model on the given provider, no node of it on the CPU, against the CPU.
 * Prints a line of JSON; exit code 1 with a sentence on stderr where the provider does not work.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonicMs } from '../clock';
import { reason } from '../errors';
import { env, Tensor } from '../inspect/onnxruntime';
import { openSession } from '../inspect/session';
import { Graph } from '../onnx/graph';
import { conv, matMul, reshape, softmax, transpose } from '../onnx/ops';
import { executionProviders, type Provider } from './requirements';

const side = 32;
/** fp32 on a GPU may be TF32: ten bits of mantissa. The outputs are probabilities. */
const tolerance = 1e-2;

/** Numbers that look random and are the same everywhere. */
function wave(length: number, scale: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => scale * Math.sin(12.9898 * (i + 1)));
}

function model(): Buffer {
  const graph = new Graph('smoke');
  const image = graph.input('image', 'float32', [1, 3, side, side]);
  const patches = conv(image, graph.weight('patch', [16, 3, 8, 8], wave(16 * 3 * 64, 0.1)), null, { stride: 8 });
  const tokens = transpose(reshape(patches, [1, 16, 16]), [0, 2, 1]);
  graph.output('attention', softmax(matMul(tokens, graph.weight('w', [16, 16], wave(256, 0.5)))));
  return graph.toBuffer();
}

async function attention(path: string, provider: Provider): Promise<{ values: Float32Array; ms: number }> {
  const began = monotonicMs();
  const session = await openSession(path, provider, 1);
  const image = new Tensor('float32', wave(3 * side * side, 1), [1, 3, side, side]);
  const { attention: out } = await session.run({ image });
  const values = Float32Array.from(out?.data as Float32Array);
  await session.release();
  return { values, ms: monotonicMs() - began };
}

async function main(provider: Provider): Promise<void> {
  env.logLevel = 'fatal';
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-smoke-'));
  try {
    const path = join(dir, 'smoke.onnx');
    writeFileSync(path, model());
    const [found, expected] = [await attention(path, provider), await attention(path, 'cpu')];
    const difference = expected.values.reduce((most, value, i) => Math.max(most, Math.abs(value - (found.values[i] ?? Number.NaN))), 0);
    // Written so that NaN is refused.
    if (!(difference <= tolerance))
      throw new Error(`${provider} gives other numbers than the CPU: ${difference} off; expected ${tolerance} at most`);
    const library = `libonnxruntime_providers_${provider}.so`;
    if (provider !== 'cpu' && !readFileSync('/proc/self/maps', 'utf8').includes(library)) throw new Error(`${library} was not loaded`);
    console.log(JSON.stringify({ provider, difference, ms: Math.round(found.ms) }));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const asked = executionProviders.find((one) => one === process.argv[2]) ?? 'tensorrt';
main(asked).catch((thrown: unknown) => {
  console.error(reason(thrown));
  process.exitCode = 1;
});
