import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { decodeImage } from '../../src/camera/images';
import { listImages, truthOf } from '../../src/camera/list';
import { VerdictdError } from '../../src/errors';
import { bmp, picture, pixels, tiff } from '../support/pictures';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-images-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The refusal's sentence; anything but a refusal fails the test. */
async function refused(source: string | Uint8Array, name?: string, bound?: number): Promise<string> {
  const thrown: unknown = await decodeImage(source, name, bound).then(
    (image) => `decoded ${image.width}x${image.height}`,
    (error: unknown) => error,
  );
  if (!(thrown instanceof VerdictdError)) throw new Error(`not refused: ${String(thrown)}`);
  expect(thrown.code).toBe('IMAGE_UNREADABLE');
  // what came; expected what. What to do.
  expect(thrown.message).toMatch(/^.+: .+; expected .+\. [A-Z].+\.$/s);
  return thrown.message;
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
/** A PNG of one colour with any header, as no writer would make it. */
function png(width: number, height: number, extra: Buffer[] = []): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const data = deflateSync(Buffer.alloc((Math.min(width, 64) * 3 + 1) * Math.min(height, 64)));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    ...extra,
    pngChunk('IDAT', data),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('refused, each with its own sentence', () => {
  test('missing file, folder, device', async () => {
    expect(await refused(join(dir, 'none.png'))).toMatch(/no such file/);
    expect(await refused(dir)).toMatch(/a folder/);
    expect(await refused('/dev/zero')).toMatch(/no regular file/);
  });
  test('empty file', async () => {
    const path = join(dir, 'empty.png');
    writeFileSync(path, '');
    expect(await refused(path)).toMatch(/an empty file/);
  });
  test('text and other kinds', async () => {
    expect(await refused(Buffer.from('hello, this is text'), 'a.png')).toMatch(/no picture by its first bytes/);
    expect(await refused(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'a.svg')).toMatch(/SVG/);
    expect(await refused(await picture(8, 8).gif().toBuffer(), 'a.gif')).toMatch(/GIF/);
    expect(await refused(await picture(8, 8).webp().toBuffer(), 'a.webp')).toMatch(/WebP/);
    expect(await refused(await picture(8, 8).avif().toBuffer(), 'a.avif')).toMatch(/HEIF, AVIF/);
  });
  test('animated GIF, WebP and PNG', async () => {
    const pages = await Promise.all([picture(16, 16).png().toBuffer(), picture(16, 16).negate().png().toBuffer()]);
    const gif = await sharp(pages, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    expect(await refused(gif, 'a.gif')).toMatch(/possibly animated/);
    expect(
      await refused(
        await sharp(pages, { join: { animated: true } })
          .webp()
          .toBuffer(),
        'a.webp',
      ),
    ).toMatch(/possibly animated/);
    expect(await refused(png(8, 8, [pngChunk('acTL', Buffer.alloc(8))]), 'a.png')).toMatch(/animated PNG/);
  });
  test('TIFF of several pages', async () => {
    // Two copies of a one-page TIFF: the first's next-IFD link is set to the second.
    const one = await picture(16, 16).tiff({ compression: 'none' }).toBuffer();
    const ifd = one.readUInt32LE(4);
    const entries = one.readUInt16LE(ifd);
    const both = Buffer.concat([one, one.subarray(ifd)]);
    both.writeUInt32LE(one.length, ifd + 2 + entries * 12);
    expect(await refused(both, 'a.tif')).toMatch(/TIFF of 2 pages/);
  });
  test('16 bit PNG and TIFF, float TIFF', async () => {
    expect(await refused(await picture(8, 8).toColourspace('rgb16').png().toBuffer(), 'a.png')).toMatch(
      /ushort; expected 8 bits a channel/,
    );
    expect((await decodeImage(tiff(8, 8, 3, 8, 1, 2), 'sound.tif')).pixelFormat).toBe('RGB8');
    expect(await refused(tiff(8, 8, 3, 16, 1, 2), 'a.tif')).toMatch(/ushort; expected 8 bits a channel/);
    expect(await refused(tiff(8, 8, 1, 16, 1, 1), 'a.tif')).toMatch(/ushort/);
    expect(await refused(tiff(8, 8, 1, 32, 3, 1), 'a.tif')).toMatch(/float/);
    expect(await refused(tiff(8, 8, 2, 8, 1, 1), 'a.tif')).toMatch(/IMAGE|expected/);
  });
  test('CMYK JPEG and TIFF', async () => {
    expect(await refused(await picture(8, 8).toColourspace('cmyk').jpeg().toBuffer(), 'a.jpg')).toMatch(/CMYK/);
    expect(await refused(await picture(8, 8).toColourspace('cmyk').tiff().toBuffer(), 'a.tif')).toMatch(/CMYK/);
  });
  test('transparent pixels, in PNG and in BMP', async () => {
    expect(await refused(await picture(8, 8, 4).png().toBuffer(), 'a.png')).toMatch(/transparent/);
    const masks: [number, number, number, number] = [0xff0000, 0xff00, 0xff, 0xff000000];
    expect(
      await refused(
        bmp(
          [
            [
              [1, 2, 3, 255],
              [1, 2, 3, 77],
            ],
          ],
          { bits: 32, masks },
        ),
        'a.bmp',
      ),
    ).toMatch(/transparent/);
  });
  test('a header that claims more pixels than the bound, before anything is decoded', async () => {
    expect(await refused(png(60_000, 60_000), 'bomb.png')).toMatch(/3600 megapixels; expected at most 64/);
    const large = bmp([[[1, 2, 3]]]);
    large.writeInt32LE(2_000_000_000, 18);
    large.writeInt32LE(-2_000_000_000, 22);
    expect(await refused(large, 'bomb.bmp')).toMatch(/megapixels/);
    expect(await refused(await picture(100, 100).jpeg().toBuffer(), 'a.jpg', 9_999)).toMatch(/at most/);
    expect(await refused(Buffer.alloc(10), 'a_99999x99999_Mono8.raw')).toMatch(/megapixels/);
  });
  test('BMP kinds that are not read', async () => {
    const with16 = bmp([[[1, 2, 3]]]);
    with16.writeUInt16LE(16, 28);
    expect(await refused(with16, 'a.bmp')).toMatch(/16 bits a pixel/);
    const rle = bmp([[0]], { bits: 8, palette: [[0, 0, 0]] });
    rle.writeUInt32LE(1, 30);
    expect(await refused(rle, 'a.bmp')).toMatch(/RLE8/);
    const old = bmp([[[1, 2, 3]]]);
    old.writeUInt32LE(12, 14);
    expect(await refused(old, 'a.bmp')).toMatch(/header of 12 bytes/);
    const none = bmp([[[1, 2, 3]]]);
    none.writeInt32LE(0, 18);
    expect(await refused(none, 'a.bmp')).toMatch(/0x1 pixels/);
    const odd = bmp([[[1, 2, 3, 4]]], { bits: 32, masks: [0x7c00, 0x3e0, 0x1f, 0] });
    expect(await refused(odd, 'a.bmp')).toMatch(/not whole bytes/);
  });
  test('raw data without or against its geometry', async () => {
    expect(await refused(Buffer.alloc(12), 'part.raw')).toMatch(/does not give its geometry/);
    expect(await refused(Buffer.alloc(12), 'part_4x3_Bayer12.raw')).toMatch(/does not give its geometry/);
    expect(await refused(Buffer.alloc(11), 'part_4x3_BayerRG8.raw')).toMatch(/11 bytes .* expected 12 bytes/);
  });
});

describe('truncated and damaged files', () => {
  const kinds: [string, () => Promise<Buffer>][] = [
    ['a.png', () => picture(61, 47).png().toBuffer()],
    ['grey.png', () => picture(61, 47, 1).toColourspace('b-w').png().toBuffer()],
    ['a.jpg', () => picture(61, 47).jpeg().toBuffer()],
    ['progressive.jpg', () => picture(61, 47).jpeg({ progressive: true }).toBuffer()],
    ['a.tif', () => picture(61, 47).tiff({ compression: 'none' }).toBuffer()],
    ['lzw.tif', () => picture(61, 47).tiff({ compression: 'lzw' }).toBuffer()],
    ['a.bmp', () => Promise.resolve(bmp(Array.from({ length: 47 }, () => Array.from({ length: 61 }, (_, x) => [x, 7, 9]))))],
    [
      'indexed.bmp',
      () =>
        Promise.resolve(
          bmp(
            [
              [0, 1],
              [1, 0],
            ],
            {
              bits: 8,
              palette: [
                [0, 0, 0],
                [9, 8, 7],
              ],
            },
          ),
        ),
    ],
  ];
  test.each(kinds)('%s cut off anywhere is refused', async (name, make) => {
    const whole = await make();
    const image = await decodeImage(whole, name);
    const step = Math.max(1, Math.floor(whole.length / 40));
    for (let cut = 1; cut < whole.length; cut += step) {
      // Bytes after the last pixel (a TIFF's tags come last in sharp's files; JPEG and PNG end in a marker) may be missing only
      // where the picture is still complete.
      const left = await decodeImage(whole.subarray(0, whole.length - cut), name).catch((error: unknown) => error);
      if (left instanceof VerdictdError) expect(left.code).toBe('IMAGE_UNREADABLE');
      else expect(left).toEqual(image);
      if (cut > whole.length * 0.02) expect(left).toBeInstanceOf(VerdictdError);
    }
  });
  test.each(kinds)('%s with bytes changed is refused or decoded, and the process lives', async (name, make) => {
    const whole = await make();
    let state = 12345;
    const random = (n: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % n;
    };
    const outcomes = { decoded: 0, refused: 0 };
    for (let round = 0; round < 60; round++) {
      const mutant = Buffer.from(whole);
      const many = 1 + random(8);
      // Half of the changes hit the header, where they hurt most.
      for (let i = 0; i < many; i++) mutant[random(round % 2 === 0 ? Math.min(128, mutant.length) : mutant.length)] = random(256);
      const got = await decodeImage(mutant, name).catch((error: unknown) => error);
      if (got instanceof VerdictdError) {
        expect(got.code).toBe('IMAGE_UNREADABLE');
        outcomes.refused++;
      } else {
        const image = got as Awaited<ReturnType<typeof decodeImage>>;
        expect(image.data.length).toBe(image.stride * image.height);
        outcomes.decoded++;
      }
    }
    expect(outcomes.refused + outcomes.decoded).toBe(60);
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});

describe('decoded, bit for bit', () => {
  const raw = pixels(61, 47);
  test.each(['png', 'tiff'] as const)('lossless %s', async (format) => {
    const image = await decodeImage(await picture(61, 47)[format]({ compression: 'lzw' }).toBuffer(), `a.${format}`);
    expect(image).toMatchObject({ width: 61, height: 47, stride: 183, pixelFormat: 'RGB8' });
    expect(Buffer.compare(Buffer.from(image.data), raw)).toBe(0);
  });
  test('an embedded colour profile, gamma and orientation change nothing', async () => {
    const buffer = await picture(61, 47).withMetadata({ orientation: 6 }).withIccProfile('p3', { attach: true }).png().toBuffer();
    expect((await sharp(buffer).metadata()).hasProfile).toBe(true);
    // sharp has converted to the profile while writing: what it wrote is read back by its raw path without a profile.
    const stored = await sharp(buffer, { ignoreIcc: true }).raw().toBuffer();
    const image = await decodeImage(buffer, 'a.png');
    expect([image.width, image.height]).toEqual([61, 47]);
    expect(Buffer.compare(Buffer.from(image.data), stored)).toBe(0);
    const gamma = Buffer.alloc(4);
    gamma.writeUInt32BE(100_000);
    const plain = await picture(61, 47).png().toBuffer();
    const withGamma = Buffer.concat([plain.subarray(0, 33), pngChunk('gAMA', gamma), plain.subarray(33)]);
    expect(Buffer.compare(Buffer.from((await decodeImage(withGamma, 'a.png')).data), raw)).toBe(0);
  });
  test('grey is Mono8; a palette PNG, an opaque alpha channel and a wrong extension do not matter', async () => {
    const grey = await decodeImage(await picture(61, 47, 1).toColourspace('b-w').png().toBuffer(), 'g.png');
    expect(grey.pixelFormat).toBe('Mono8');
    expect(Buffer.compare(Buffer.from(grey.data), pixels(61, 47, 1))).toBe(0);
    const alpha = await decodeImage(await picture(61, 47).ensureAlpha(1).png().toBuffer(), 'named.jpg');
    expect(alpha.pixelFormat).toBe('RGB8');
    expect(Buffer.compare(Buffer.from(alpha.data), raw)).toBe(0);
    const palette = await decodeImage(await picture(61, 47).png({ palette: true, colours: 16 }).toBuffer(), 'p.png');
    expect(palette).toMatchObject({ pixelFormat: 'RGB8', stride: 183 });
  });
  test('JPEG is within what its compression costs', async () => {
    const flat = sharp({ create: { width: 32, height: 16, channels: 3, background: { r: 200, g: 100, b: 50 } } });
    const image = await decodeImage(await flat.jpeg({ quality: 95 }).toBuffer(), 'a.jpg');
    for (let i = 0; i < image.data.length; i += 3) {
      expect(Math.abs((image.data[i] ?? 0) - 200)).toBeLessThanOrEqual(3);
      expect(Math.abs((image.data[i + 1] ?? 0) - 100)).toBeLessThanOrEqual(3);
    }
  });
  describe('BMP', () => {
    const rows = Array.from({ length: 5 }, (_, y) => Array.from({ length: 7 }, (_, x) => [x * 30, y * 40, x + y * 9]));
    const flat = Buffer.from(rows.flat(2));
    test.each([1, 2, 3, 4, 5, 6, 7])('24 bits, rows of %i pixels are padded to 4 bytes', async (width) => {
      const cut = rows.map((row) => row.slice(0, width));
      const image = await decodeImage(bmp(cut), 'a.bmp');
      expect(image).toMatchObject({ width, height: 5, stride: width * 3, pixelFormat: 'RGB8' });
      expect([...image.data]).toEqual(cut.flat(2));
    });
    test('top-down, a gap before the pixels, 32 bits, bit fields in another order', async () => {
      expect(Buffer.from((await decodeImage(bmp(rows, { topDown: true }), 'a.bmp')).data)).toEqual(flat);
      expect(Buffer.from((await decodeImage(bmp(rows, { gap: 84 }), 'a.bmp')).data)).toEqual(flat);
      expect(Buffer.from((await decodeImage(bmp(rows, { bits: 32 }), 'a.bmp')).data)).toEqual(flat);
      const swapped = bmp(rows, { bits: 32, masks: [0xff, 0xff00, 0xff0000, 0] });
      expect(Buffer.from((await decodeImage(swapped, 'a.bmp')).data)).toEqual(flat);
      const opaque = rows.map((row) => row.map((p) => [...p, 255]));
      const v4 = bmp(opaque, { bits: 32, masks: [0xff0000, 0xff00, 0xff, 0xff000000] });
      expect(Buffer.from((await decodeImage(v4, 'a.bmp')).data)).toEqual(flat);
    });
    test('palettes of 1, 4 and 8 bits; a grey one gives Mono8', async () => {
      const colours = [
        [10, 20, 30],
        [200, 100, 50],
      ];
      for (const bits of [1, 4, 8] as const) {
        const image = await decodeImage(
          bmp(
            [
              [0, 1, 1],
              [1, 0, 0],
            ],
            { bits, palette: colours },
          ),
          'a.bmp',
        );
        expect([...image.data]).toEqual([0, 1, 1, 1, 0, 0].flatMap((i) => colours[i] ?? []));
      }
      const grey = await decodeImage(
        bmp([[0, 1, 2]], {
          bits: 8,
          palette: [
            [5, 5, 5],
            [6, 6, 6],
            [255, 255, 255],
          ],
        }),
        'a.bmp',
      );
      expect(grey).toMatchObject({ pixelFormat: 'Mono8', stride: 3 });
      expect([...grey.data]).toEqual([5, 6, 255]);
    });
  });
  test('raw Bayer by name', async () => {
    const bytes = pixels(8, 6, 1);
    const path = join(dir, 'part_8x6_BayerRG8.raw');
    writeFileSync(path, bytes);
    const image = await decodeImage(path);
    expect(image).toMatchObject({ width: 8, height: 6, stride: 8, pixelFormat: 'BayerRG8' });
    expect(Buffer.compare(Buffer.from(image.data), bytes)).toBe(0);
  });
});

describe('listImages', () => {
  async function refusedFolder(paths: string | string[]): Promise<string> {
    const thrown: unknown = await listImages(paths).catch((error: unknown) => error);
    if (!(thrown instanceof VerdictdError)) throw new Error(`not refused: ${String(thrown)}`);
    expect(thrown.code).toBe('IMAGE_FOLDER_EMPTY');
    return thrown.message;
  }
  test('missing, empty, pictureless folder; no path at all', async () => {
    expect(await refusedFolder(join(dir, 'nowhere'))).toMatch(/cannot be read.*Check the path/);
    mkdirSync(join(dir, 'bare'));
    expect(await refusedFolder(join(dir, 'bare'))).toMatch(/is empty/);
    writeFileSync(join(dir, 'bare', 'notes.txt'), 'x');
    expect(await refusedFolder(join(dir, 'bare'))).toMatch(/holds 1 files, none of them a picture/);
    expect(await refusedFolder([])).toMatch(/no picture was named/);
  });
  test('natural order, sub-folders, links in circles, hidden files, masks; truth from folder names', async () => {
    const root = join(dir, 'set');
    for (const folder of ['train/good', 'test/good', 'test/crack', 'ground_truth/crack', '.cache'])
      mkdirSync(join(root, folder), { recursive: true });
    const files = [
      'train/good/10.png',
      'train/good/9.BMP',
      'test/good/1.jpeg',
      'test/crack/2.tif',
      'ground_truth/crack/2.png',
      '.cache/1.png',
      'test/crack/.x.png',
      'test/crack/readme.md',
    ];
    for (const file of files) writeFileSync(join(root, file), 'x');
    symlinkSync('..', join(root, 'train', 'round'));
    const found = await listImages(root);
    expect(found.map((path) => path.slice(root.length + 1))).toEqual([
      'test/crack/2.tif',
      'test/good/1.jpeg',
      'train/good/9.BMP',
      'train/good/10.png',
    ]);
    expect(found.map(truthOf)).toEqual([
      { good: false, defect: 'crack' },
      { good: true, defect: null },
      { good: true, defect: null },
      { good: true, defect: null },
    ]);
    expect(truthOf('/somewhere/1.png')).toBeNull();
  });
  test('files named one by one stay in the order given, even missing ones', async () => {
    const named = [join(dir, 'b.png'), join(dir, 'a.png')];
    expect(await listImages(named)).toEqual(named);
  });
});
