/**
 * Single bytes of a good file changed at random: the file is refused, or its tensors are the same to the last bit.
 * VERDICTD_MUTATIONS=10000 npx jest test/build/mutations runs the long form.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { openCheckpoint } from '../../src/build/checkpoint';
import { VerdictdError } from '../../src/errors';
import { temporaryFolder } from './archives';
import { goodFile } from './hostile';
import { testWithVectors, vector } from './vectors';

const folder = temporaryFolder();
afterAll(() => folder.remove());

function fingerprint(path: string): string {
  const checkpoint = openCheckpoint(path);
  try {
    const hash = createHash('sha256');
    for (const [name, tensor] of checkpoint.tensors) hash.update(`${name} ${tensor.dtype} ${tensor.shape}\n`).update(tensor.read());
    return hash.digest('hex');
  } finally {
    checkpoint.close();
  }
}

/** mulberry32, so that a failure can be repeated. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Half of the places anywhere, half where the structure lies: pickle, headers, directory. */
function mutate(bytes: Buffer, count: number): { refused: number; same: number } {
  const path = folder.write('mutated.pth', bytes);
  const expected = fingerprint(path);
  const random = generator(1);
  const pickle = Math.min(bytes.length, 2000);
  const directory = Math.max(0, bytes.length - 1200);
  const counts = { refused: 0, same: 0 };
  const fd = openSync(path, 'r+');
  try {
    for (let n = 0; n < count; n++) {
      const structural = random() < 0.5;
      const inPickle = random() < 0.5;
      const place = random();
      const [from, to] = !structural ? [0, bytes.length] : inPickle ? [0, pickle] : [directory, bytes.length];
      const at = Math.floor(from + place * (to - from));
      const value = (bytes[at] ?? 0) ^ (1 + Math.floor(random() * 255));
      writeSync(fd, Buffer.of(value), 0, 1, at);
      try {
        const got = fingerprint(path);
        if (got !== expected) throw new Error(`byte ${at} set to ${value}: read with other tensors`);
        counts.same++;
      } catch (error) {
        if (!(error instanceof VerdictdError && error.code === 'CHECKPOINT_REFUSED'))
          throw new Error(`byte ${at} set to ${value}`, { cause: error });
        counts.refused++;
      }
      writeSync(fd, bytes, at, 1, at);
    }
  } finally {
    closeSync(fd);
  }
  expect(fingerprint(path)).toBe(expected);
  return counts;
}

const asked = Number(process.env.VERDICTD_MUTATIONS ?? 1000);

test('a small archive', () => {
  const { refused, same } = mutate(goodFile(), asked);
  expect(refused + same).toBe(asked);
  expect(refused).toBeGreaterThan(asked / 4);
  expect(same).toBeGreaterThan(0); // padding and time stamps mean nothing
}, 600_000);

testWithVectors(
  'prompt_learner.pth as the authors saved it',
  () => {
    const { refused, same } = mutate(readFileSync(vector('anomalyclip-tiny/prompt_learner.pth')), asked);
    expect(refused + same).toBe(asked);
    expect(refused).toBeGreaterThan(asked / 2);
    if (process.env.VERDICTD_FIGURES) console.log(`${asked} mutations: ${refused} refused, ${same} with identical tensors`);
  },
  600_000,
);
