/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** The whole frame as evidence: a copy that nobody but the ring holds, so that the library has its buffer back at once. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SpinnakerCamera } from '../../src/camera/spinnaker';
import { wholePicture } from '../../src/camera/stream';
import { preprocess } from '../../src/native';
import type { Frame } from '../../src/ports';
import { never, planOf, Reader, soon } from '../contract/camera';
import { built, describeFake, reset, spinnaker, status } from './fake';

const size = { width: 256, height: 128 };
const shown = [1, 2, 3].map((of) =>
  Buffer.from(Uint8Array.from({ length: size.width * size.height }, (_, i) => (i * 7 * of + (i >> 8) * 13) & 255)),
);
let dir: string;
let camera: SpinnakerCamera;

async function start(change: Parameters<typeof spinnaker>[0]): Promise<Reader> {
  camera = spinnaker(change);
  await camera.start(planOf(), never());
  return new Reader(camera);
}
async function shoot(reader: Reader): Promise<Frame> {
  await camera.fire();
  return await reader.frame();
}
/** The same frame rendered from its file, by the pass that makes small pictures. */
async function rendered(data: Buffer): Promise<Buffer> {
  const input = { ...planOf().input, width: 64, height: 64 };
  const image = { ...size, stride: size.width, pixelFormat: 'BayerRG8' as const, data };
  const { thumbnail } = await preprocess(image, input, { thumbnailWidth: size.width });
  if (thumbnail === undefined) throw new Error('no picture');
  return thumbnail.data;
}

if (built) {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'verdictd-whole-'));
    mkdirSync(join(dir, 'frames'));
    for (const [i, bytes] of shown.entries()) writeFileSync(join(dir, 'frames', `${i}_${size.width}x${size.height}_BayerRG8.raw`), bytes);
    await spinnaker().borrow((first) => first.list());
  });
  beforeEach(async () => reset(`frames = ${join(dir, 'frames')}`, 'stamp = off'));
  afterEach(async () => {
    await camera.stop(soon());
    const { held, violations } = await status();
    expect({ images: held.images, violations }).toEqual({ images: 0, violations: [] });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
}

describeFake('the whole frame', () => {
  test('is kept only where it is asked for; taken once, and only while leased', async () => {
    const frame = await shoot(await start({}));
    expect(() => wholePicture(frame)).toThrow(/no frame is kept in slot \d+/);
    frame.release();
    await camera.stop(soon());
    const reader = await start({ keepRaw: true });
    const kept = await shoot(reader);
    const picture = await wholePicture(kept);
    expect(picture).toMatchObject(size);
    expect(() => wholePicture(kept)).toThrow(/no frame is kept in slot \d+: it was taken already/);
    kept.release();
    const gone = await shoot(reader);
    gone.release();
    expect(() => wholePicture(gone)).toThrow(/is not in force: the frame was released already/);
    expect(() => gone.release()).toThrow();
  });

  test('shows every pixel of the right frame, whatever has become of its slot; the library holds no image for it', async () => {
    const reader = await start({ keepRaw: true, slots: 1 });
    const pictures = [];
    for (let i = 0; i < 3; i++) {
      const frame = await shoot(reader);
      expect((await status()).held.images).toBe(0);
      pictures.push(wholePicture(frame));
      frame.release(); // the one slot is filled again while the picture is made
    }
    const seen = await Promise.all(pictures);
    for (const [i, { data }] of seen.entries()) expect(data.equals(await rendered(shown[i] as Buffer))).toBe(true);
  });
});
