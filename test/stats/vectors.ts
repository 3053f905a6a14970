/** The reference metrics: scores with labels, maps with masks, and what scikit-learn and the authors' code make of them. */
import { readFileSync } from 'node:fs';
import { vector } from '../build/vectors';

interface Metrics {
  sets: Record<string, { score: Float64Array; label: Uint8Array }>;
  maps: { count: number; height: number; width: number; maps: Float32Array; masks: Uint8Array };
  expected: Record<string, Record<string, number>>;
}

export function readMetrics(): Metrics {
  const bytes = readFileSync(vector('metrics/data.safetensors'));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, { shape: number[]; data_offsets: [number, number] }>;
  const read = (name: string): ArrayBuffer => {
    const [from, to] = header[name]?.data_offsets ?? [0, 0];
    return new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to)).buffer;
  };
  const sets: Metrics['sets'] = {};
  for (const key of Object.keys(header)) {
    const name = /^(img\d+)\/score$/.exec(key)?.[1];
    if (name !== undefined) sets[name] = { score: new Float64Array(read(`${name}/score`)), label: new Uint8Array(read(`${name}/label`)) };
  }
  const [count = 0, height = 0, width = 0] = header['pix/amaps']?.shape ?? [];
  return {
    sets,
    maps: { count, height, width, maps: new Float32Array(read('pix/amaps')), masks: new Uint8Array(read('pix/masks')) },
    expected: JSON.parse(readFileSync(vector('metrics/expected.json'), 'utf8')) as Metrics['expected'],
  };
}
