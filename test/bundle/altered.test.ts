/** A bundle that was altered on its way or on its disk never reaches a session: every bit counts. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultBundleDir, loadBundle } from '../../src/bundle/load';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-'));
  cpSync(defaultBundleDir(), dir, { recursive: true });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The same places in every run: a linear congruential walk (Numerical Recipes' constants). */
function* places(count: number, below: number): Generator<number> {
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state % below;
  }
}

const refusal = (loading: Promise<unknown>): Promise<string> =>
  loading.then(
    () => 'accepted',
    (thrown: { code: string }) => thrown.code,
  );

test('1,000 flipped bits in the model: each refused', async () => {
  const path = join(dir, 'model.onnx');
  const sound = readFileSync(path);
  const outcomes = new Map<string, number>();
  for (const bit of places(1000, sound.length * 8)) {
    const bytes = Buffer.from(sound);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    writeFileSync(path, bytes);
    const outcome = await refusal(loadBundle(dir));
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  writeFileSync(path, sound);
  expect([...outcomes]).toEqual([['BUNDLE_REFUSED', 1000]]);
  expect(await refusal(loadBundle(dir))).toBe('accepted');
});

test.each(['model.onnx', 'golden.png', 'manifest.json'])('100 truncations of %s: each refused', async (name) => {
  const path = join(dir, name);
  const sound = readFileSync(path);
  // The manifest ends in a line feed that carries nothing: cuts are taken before it.
  for (const length of places(100, sound.length - 1)) {
    writeFileSync(path, sound.subarray(0, length));
    expect(await refusal(loadBundle(dir))).toBe('BUNDLE_REFUSED');
  }
  writeFileSync(path, sound);
});
