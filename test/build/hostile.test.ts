import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/build/checkpoint';
import { RandomAccessFile } from '../../src/build/file';
import { VerdictdError } from '../../src/errors';
import { safetensors, temporaryFolder } from './archives';
import { goodFile, hostile } from './hostile';

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Opens a checkpoint and reads every tensor, as a builder would. */
function readAll(path: string): number {
  const checkpoint = openCheckpoint(path);
  try {
    let values = 0;
    for (const tensor of checkpoint.tensors.values()) values += tensor.read().length;
    return values;
  } finally {
    checkpoint.close();
  }
}

function refusal(path: string): VerdictdError {
  try {
    readAll(path);
  } catch (error) {
    if (error instanceof VerdictdError) return error;
    throw error;
  }
  throw new Error(`${path} was not refused`);
}

test('the file all hostile ones are made from is read', () => {
  expect(readAll(folder.write('good.pth', goodFile()))).toBe(6);
});

test('there are 60 hostile files and more, all different', () => {
  expect(hostile.length).toBeGreaterThan(60);
  expect(new Set(hostile.map(([name]) => name)).size).toBe(hostile.length);
});

test.each(hostile)('%s is refused by name', (_name, bytes, says) => {
  const path = folder.write('hostile.pth', bytes());
  const error = refusal(path);
  expect(error.code).toBe('CHECKPOINT_REFUSED');
  expect(error.message).toMatch(says);
  expect(error.message.startsWith(path)).toBe(true);
  expect(error.message).toMatch(/\.$/);
});

test('a file cut short at any of 50 points is refused', () => {
  const whole = goodFile();
  for (let n = 0; n < 50; n++) {
    const path = folder.write('cut.pth', whole.subarray(0, Math.floor((whole.length * n) / 50)));
    expect(refusal(path).code).toBe('CHECKPOINT_REFUSED');
  }
});

test('a folder, a missing file and a pipe are refused without waiting', () => {
  expect(refusal(folder.path).message).toMatch(/is not a file/);
  expect(refusal(join(folder.path, 'absent.pth')).message).toMatch(/cannot be read/);
  const pipe = join(folder.path, 'pipe.pth');
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
  expect(refusal(pipe).message).toMatch(/is not a file/);
});

test('a tensor named __proto__ is a name like any other', () => {
  const path = folder.write(
    'proto.safetensors',
    safetensors('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', Buffer.from([7])),
  );
  const checkpoint = openCheckpoint(path);
  expect([...checkpoint.tensors.keys()]).toEqual(['__proto__']);
  checkpoint.close();
  expect(Object.hasOwn(Object.prototype, 'dtype')).toBe(false);
});

test('no length out of a file is allocated before it is compared with the file', () => {
  const file = RandomAccessFile.open(folder.write('small.bin', Buffer.alloc(10)));
  for (const length of [11, 2 ** 40, -1, 0.5, Number.NaN]) expect(() => file.read(0, length)).toThrow(/10 bytes/);
  expect(() => file.read(5, 6)).toThrow(/bytes 5 to 11/);
  expect(() => file.read(-1, 2)).toThrow(/bytes -1/);
  file.close();
});

const tensor = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') => ({ dtype, shape, data_offsets: offsets });
const eight = Buffer.alloc(8);

test.each<[string, Buffer, RegExp]>([
  ['header of 2^63 bytes', Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 128]), Buffer.from('{}')]), /neither a PyTorch archive/],
  [
    'header longer than the file',
    Buffer.concat([Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
    /claims a header of 256 bytes/,
  ],
  ['header of 9 MB', safetensors(`{${' '.repeat(9 << 20)}}`), /at most 8388608/],
  ['header that is no JSON', safetensors('{"a":'), /not JSON/],
  [
    'header nested a million deep',
    safetensors(`{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`),
    /not described by an object|not JSON/,
  ],
  ['no tensors', safetensors({}), /holds no tensors/],
  ['metadata that is no text', safetensors({ __metadata__: { a: 1 } }), /"a", which is no text/],
  ['dtype unknown', safetensors({ a: tensor([1], [0, 8], 'C64') }, eight), /dtype "C64"/],
  ['dtype of Object.prototype', safetensors({ a: tensor([1], [0, 8], 'constructor') }, eight), /dtype "constructor"/],
  ['shape that is no list', safetensors({ a: tensor('2', [0, 8]) }, eight), /no list of at most 8 sizes/],
  ['negative size', safetensors({ a: tensor([-2], [0, 8]) }, eight), /no list of at most 8 sizes/],
  ['size of 2^60', safetensors({ a: tensor([2 ** 60], [0, 8]) }, eight), /no list of at most 8 sizes/],
  ['sizes that overflow', safetensors({ a: tensor([2 ** 50, 2 ** 50], [0, 8]) }, eight), /has 8 bytes, shape/],
  ['fewer bytes than the shape', safetensors({ a: tensor([3], [0, 8]) }, eight), /has 8 bytes, shape \[3\] of float32 takes 12/],
  ['places that are no places', safetensors({ a: tensor([2], [0, 8.5]) }, eight), /data_offsets/],
  ['places backwards', safetensors({ a: tensor([2], [8, 0]) }, eight), /outside the file's data/],
  ['places beyond the file', safetensors({ a: tensor([2], [8, 16]) }, eight), /outside the file's data/],
  ['tensors that overlap', safetensors({ a: tensor([2], [0, 8]), b: tensor([1], [4, 8]) }, eight), /"b" overlaps another/],
  ['a gap', safetensors({ a: tensor([1], [4, 8]) }, eight), /bytes 0 to 4/],
  ['bytes behind the last tensor', safetensors({ a: tensor([1], [0, 4]) }, eight), /has 8 bytes, its header describes 4/],
  [
    'a name twice',
    safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', eight),
    /bytes 0 to 4/,
  ],
  ['NaN', safetensors({ a: tensor([1], [0, 4]) }, Buffer.from([0, 0, 0xc0, 0x7f])), /"a" holds NaN/],
  ['infinity in float16', safetensors({ a: tensor([1], [0, 2], 'F16') }, Buffer.from([0, 0x7c])), /"a" holds Infinity/],
])('safetensors with %s is refused', (_name, bytes, says) => {
  const error = refusal(folder.write('hostile.safetensors', bytes));
  expect(error.code).toBe('CHECKPOINT_REFUSED');
  expect(error.message).toMatch(says);
});

// In a process of its own, so that nothing else is measured; it runs the compiled code.
test('all hostile files together take less than 64 MB', () => {
  const compiled = join(__dirname, '../../dist/build/checkpoint.js');
  if (!existsSync(compiled)) {
    console.log(`skipped: ${compiled} is not built (npm run build:ts)`);
    return;
  }
  const files = hostile.map(([, bytes], n) => folder.write(`hostile-${n}.pth`, bytes()));
  const child = spawnSync(process.execPath, ['-e', measure, compiled, ...files], { encoding: 'utf8', timeout: 60_000 });
  expect(child.stderr).toBe('');
  const { codes, growthMB, slowest } = JSON.parse(child.stdout) as {
    codes: string[];
    growthMB: number;
    slowest: { ms: number; file: number };
  };
  expect(codes).toEqual(['CHECKPOINT_REFUSED']);
  expect(growthMB).toBeLessThan(64);
  if (process.env.VERDICTD_FIGURES) {
    console.log(`${files.length} files: ${growthMB.toFixed(1)} MB, slowest ${slowest.ms.toFixed(0)} ms (${hostile[slowest.file]?.[0]})`);
  }
});

const measure = `
const [compiled, ...files] = process.argv.slice(1);
const { openCheckpoint } = require(compiled);
const before = process.resourceUsage().maxRSS;
const codes = new Set();
let slowest = { ms: 0, file: -1 };
files.forEach((path, file) => {
  const start = performance.now();
  try {
    for (const tensor of openCheckpoint(path).tensors.values()) tensor.read();
    codes.add('read');
  } catch (error) {
    codes.add(error.code ?? error.stack);
  }
  const ms = performance.now() - start;
  if (ms > slowest.ms) slowest = { ms, file };
});
console.log(JSON.stringify({ codes: [...codes], growthMB: (process.resourceUsage().maxRSS - before) / 1024, slowest }));
`;
