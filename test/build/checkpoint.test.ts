import { readFileSync } from 'node:fs';
import { type Checkpoint, openCheckpoint, sectionOf, tensorNamed } from '../../src/build/checkpoint';
import { StackedTensor, StridedTensor } from '../../src/build/tensors';
import { crc32, crc32InScript } from '../../src/crc32';
import { op, safetensors, scriptFile, temporaryFolder, tensor, torchFile } from './archives';
import { counterHash, formulaOf, testWithVectors, unpacked, vector } from './vectors';

const { abs, fround, max } = Math; // a global is slow to reach inside jest
const folder = temporaryFolder();
const open: Checkpoint[] = [];
afterEach(() => {
  for (const checkpoint of open.splice(0)) checkpoint.close();
});
afterAll(() => folder.remove());

function opened(path: string): Checkpoint {
  const checkpoint = openCheckpoint(path);
  open.push(checkpoint);
  return checkpoint;
}
const torch = (pickle: Buffer, storages?: Record<string, Uint8Array>) => opened(folder.write('good.pth', torchFile(pickle, storages)));
const values = (checkpoint: Checkpoint, name: string) => [...tensorNamed(checkpoint.tensors, name, 'test').read()];
const bytes = (array: ArrayBufferView<ArrayBuffer>) => new Uint8Array(array.buffer);

test('the checksum in script is that of zlib', () => {
  const data = Buffer.from('123456789');
  expect(crc32InScript(data)).toBe(0xcbf43926); // check value of the CRC catalogue, CRC-32/ISO-HDLC
  expect(crc32(data)).toBe(0xcbf43926);
  expect(crc32InScript(data.subarray(4), crc32InScript(data.subarray(0, 4)))).toBe(0xcbf43926);
});

test('views, transposed and shared storages, offsets, scalars and empty tensors are read as torch means them', () => {
  const checkpoint = torch(
    op.pickle(
      op.orderedDict({
        whole: tensor(),
        transposed: tensor({ size: [3, 2], stride: [1, 3] }),
        column: tensor({ offset: 1, size: [2], stride: [3] }),
        tail: tensor({ offset: 4, size: [1, 2], stride: [999, 1] }), // a size of 1 leaves its stride without meaning
        scalar: tensor({ offset: 5, size: [], stride: [] }),
        empty: tensor({ size: [0, 3], stride: [3, 1] }),
        parameter: op.call('torch._utils', '_rebuild_parameter', tensor(), op.true, op.orderedDict({})),
      }),
      op.dict({ _metadata: op.orderedDict({}) }),
      op.build,
    ),
  );
  expect(checkpoint.format).toBe('torch');
  expect([...checkpoint.tensors.keys()]).toEqual(['whole', 'transposed', 'column', 'tail', 'scalar', 'empty', 'parameter']);
  expect(values(checkpoint, 'whole')).toEqual([1, 2, 3, 4, 5, 6]);
  expect(values(checkpoint, 'transposed')).toEqual([1, 4, 2, 5, 3, 6]);
  expect(values(checkpoint, 'column')).toEqual([2, 5]);
  expect(values(checkpoint, 'tail')).toEqual([5, 6]);
  expect(values(checkpoint, 'scalar')).toEqual([6]);
  expect(values(checkpoint, 'empty')).toEqual([]);
  expect(values(checkpoint, 'parameter')).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a permuted tensor of three dimensions is read in pieces as in one', () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  // numpy: arange(24).reshape(2,3,4).transpose(2,0,1)
  const checkpoint = torch(op.pickle(op.dict({ p: tensor({ numel: 24, size: [4, 2, 3], stride: [1, 12, 4] }) })), { '0': bytes(data) });
  const expected = [0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23];
  const p = tensorNamed(checkpoint.tensors, 'p', 'test');
  expect([...p.read()]).toEqual(expected);
  for (const size of [1, 5, 7, 24, 100]) expect([...p.chunks(size)].flatMap((chunk) => [...chunk])).toEqual(expected);
  expect([...p.narrow(1, 2).read()]).toEqual(expected.slice(6, 18));
  expect(() => p.narrow(3, 2)).toThrow(/no rows 3 to 5/);
});

test.each<[string, string, ArrayBufferView<ArrayBuffer>, number[]]>([
  ['HalfStorage', 'float16', Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8000), [1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, -0]],
  ['BFloat16Storage', 'bfloat16', Uint16Array.of(0x3f80, 0xc000, 0x4049, 0x0001), [1, -2, 3.140625, 2 ** -133]],
  ['DoubleStorage', 'float64', Float64Array.of(0.1, -1e-3), [Math.fround(0.1), Math.fround(-1e-3)]],
  ['LongStorage', 'int64', BigInt64Array.of(-5n, 2n ** 31n - 1n), [-5, 2 ** 31]],
  ['IntStorage', 'int32', Int32Array.of(-7, 49407), [-7, 49407]],
  ['ShortStorage', 'int16', Int16Array.of(-32768, 5), [-32768, 5]],
  ['CharStorage', 'int8', Int8Array.of(-128, 127), [-128, 127]],
  ['ByteStorage', 'uint8', Uint8Array.of(0, 255), [0, 255]],
  ['BoolStorage', 'bool', Uint8Array.of(0, 1), [0, 1]],
])('a %s is read as float32 by its value', (type, dtype, data, expected) => {
  const numel = expected.length;
  const checkpoint = torch(op.pickle(op.dict({ t: tensor({ type, numel, size: [numel], stride: [1], location: 'cuda:0' }) })), {
    '0': bytes(data),
  });
  expect(checkpoint.tensors.get('t')?.dtype).toBe(dtype);
  expect(values(checkpoint, 't')).toEqual(expected);
});

test('integers are read as such, and refused where they are floats or beyond 32 bits', () => {
  const checkpoint = torch(
    op.pickle(op.dict({ i: tensor({ type: 'LongStorage', numel: 2, size: [2], stride: [1] }), f: tensor({ key: '1' }) })),
    { '0': bytes(BigInt64Array.of(-1n, 2n ** 40n)), '1': Buffer.alloc(24) },
  );
  const integers = tensorNamed(checkpoint.tensors, 'i', 'test');
  expect(integers.narrow(0, 1).integers()).toEqual([-1]);
  expect(() => integers.integers()).toThrow(/1099511627776, beyond 32 bits/);
  expect(() => tensorNamed(checkpoint.tensors, 'f', 'test').integers()).toThrow(/holds float32, integers are expected/);
});

test('NaN and infinity are refused, also in a piece', () => {
  const checkpoint = torch(op.pickle(op.dict({ t: tensor() })), { '0': bytes(Float32Array.of(1, 2, 3, 4, Infinity, 6)) });
  const t = tensorNamed(checkpoint.tensors, 't', 'test');
  expect(() => t.read()).toThrow(/"t" holds Infinity/);
  expect(() => [...t.chunks(3)]).toThrow(/"t" holds Infinity/);
  expect([...t.narrow(0, 1).read()]).toEqual([1, 2, 3]);
});

test('tensors stacked along rows are read, cut and refused as one', () => {
  const checkpoint = torch(
    op.pickle(op.dict({ a: tensor(), b: tensor({ offset: 3, size: [1, 3], stride: [3, 1] }), c: tensor({ size: [6], stride: [1] }) })),
  );
  const part = (name: string) => tensorNamed(checkpoint.tensors, name, 'test');
  const stacked = new StackedTensor('ab', [part('a'), part('b')], 'test');
  expect(stacked.shape).toEqual([3, 3]);
  expect([...stacked.read()]).toEqual([1, 2, 3, 4, 5, 6, 4, 5, 6]);
  expect([...stacked.narrow(1, 2).read()]).toEqual([4, 5, 6, 4, 5, 6]);
  expect(() => stacked.narrow(2, 2)).toThrow(/3 rows has no rows 2 to 4/);
  expect(() => new StackedTensor('ac', [part('a'), part('c')], 'test')).toThrow(/"c" has shape \[6\], expected \[any,3\]/);
});

test('TorchScript modules become dotted names; their code is never read', () => {
  const module = (attributes: Record<string, Buffer>) =>
    Buffer.concat([op.global('__torch__.clip.model.___torch_mangle_1', 'A'), op.emptyTuple, op.newObject, op.dict(attributes), op.build]);
  const pickle = op.pickle(module({ training: op.false, weight: tensor(), inner: module({ bias: tensor({ size: [2], stride: [3] }) }) }));
  const checkpoint = opened(folder.write('script.pt', scriptFile(pickle)));
  expect(checkpoint.format).toBe('torchscript');
  expect([...checkpoint.tensors.keys()]).toEqual(['weight', 'inner.bias']);
  expect(values(checkpoint, 'inner.bias')).toEqual([1, 4]);
});

test('wrapped weights look alike through sectionOf', () => {
  for (const prefix of ['', 'prompt_learner.', 'state_dict.net.', 'module.']) {
    const checkpoint = torch(op.pickle(op.dict({ [`${prefix}ctx.pos`]: tensor(), [`${prefix}other`]: tensor() })));
    expect([...(sectionOf(checkpoint.tensors, 'ctx.pos')?.keys() ?? [])]).toEqual(['ctx.pos', 'other']);
  }
  const checkpoint = torch(op.pickle(op.dict({ 'a.b.w': tensor(), 'c.w': tensor(), xw: tensor() })));
  expect([...(sectionOf(checkpoint.tensors, 'w')?.keys() ?? [])]).toEqual(['w']); // 'c.' is the shortest prefix
  expect(sectionOf(checkpoint.tensors, 'absent')).toBeNull();
  expect(() => tensorNamed(checkpoint.tensors, 'absent', 'file')).toThrow(/file: has no tensor "absent"/);
});

test('a checkpoint cannot be read after it was closed', () => {
  const checkpoint = openCheckpoint(folder.write('good.pth', torchFile(op.pickle(op.dict({ w: tensor() })))));
  checkpoint.close();
  checkpoint.close();
  expect(() => checkpoint.tensors.get('w')?.read()).toThrow(/after it was closed/);
});

test('safetensors of every dtype, with metadata', () => {
  const data = Buffer.concat([
    bytes(Float32Array.of(1.5)),
    bytes(Uint16Array.of(0x3c00)),
    bytes(Uint16Array.of(0xbf80)),
    bytes(BigInt64Array.of(-3n)),
  ]);
  const header = {
    __metadata__: { format: 'pt' },
    d: { dtype: 'I64', shape: [], data_offsets: [8, 16] },
    a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
    b: { dtype: 'F16', shape: [1, 1], data_offsets: [4, 6] },
    c: { dtype: 'BF16', shape: [1], data_offsets: [6, 8] },
    e: { dtype: 'F32', shape: [0, 4], data_offsets: [16, 16] },
  };
  const checkpoint = opened(folder.write('good.safetensors', safetensors(header, data)));
  expect(checkpoint.format).toBe('safetensors');
  expect(checkpoint.metadata.get('format')).toBe('pt');
  expect([...checkpoint.tensors.keys()].map((name) => values(checkpoint, name))).toEqual([[-3], [1.5], [1], [-1], []]);
});

testWithVectors('prompt_learner.pth: every tensor by its formula, prefix and suffix as views on one storage', () => {
  const checkpoint = opened(vector('anomalyclip-tiny/prompt_learner.pth'));
  const manifest = JSON.parse(readFileSync(vector('anomalyclip-tiny/manifest.json'), 'utf8')) as {
    prompt_learner_keys: Record<string, [string, number[]]>;
    tokens: Record<string, number[]>;
  };
  const section = sectionOf(checkpoint.tensors, 'prompt_learner.ctx_pos');
  const shapes = [...(section ?? [])].map(([name, t]) => [name.slice('prompt_learner.'.length), [`torch.${t.dtype}`, t.shape]]);
  expect(Object.fromEntries(shapes)).toEqual(manifest.prompt_learner_keys);
  const [positive = [], negative = []] = Object.values(manifest.tokens);
  expect(tensorNamed(checkpoint.tensors, 'prompt_learner.tokenized_prompts_pos', 't').integers().slice(0, 24)).toEqual(positive);
  expect(tensorNamed(checkpoint.tensors, 'prompt_learner.tokenized_prompts_neg', 't').integers().slice(0, 24)).toEqual(negative);
  let checked = 0;
  for (const [name, t] of checkpoint.tensors) {
    const scale = /ctx_|compound_prompts_text/.test(name) ? 0.5 : /projections/.test(name) ? 0.02 : 0;
    if (scale === 0) continue;
    const hash = counterHash(name);
    t.read().forEach((value, i) => {
      if (value !== fround(scale * hash(i))) throw new Error(`${name}[${i}] is ${value}`);
    });
    checked++;
  }
  expect(checked).toBe(8);
  // token_prefix and token_suffix are rows 0 and 13.. of the prompt's token embeddings.
  const embedding = counterHash('token_embedding.weight');
  const row = (token: number) => Array.from({ length: 64 }, (_, i) => fround(0.5 * embedding(token * 64 + i)));
  const prefix = checkpoint.tensors.get('prompt_learner.token_prefix_neg');
  const suffix = checkpoint.tensors.get('prompt_learner.token_suffix_neg');
  expect([...(prefix?.read() ?? [])]).toEqual(row(49406));
  const rows = suffix?.read() ?? [];
  expect([...rows.slice(0, 4 * 64)]).toEqual([13568, 14115, 269, 49407].flatMap(row));
  expect(prefix instanceof StridedTensor && suffix instanceof StridedTensor && prefix.storage === suffix.storage).toBe(true);
});

testWithVectors('APRIL-GAN linear layers by their formula', () => {
  const checkpoint = opened(vector('april-gan-tiny/linearlayer.pth'));
  const section = sectionOf(checkpoint.tensors, 'trainable_linearlayer.fc.0.weight');
  expect(section?.size).toBe(8);
  for (const [name, t] of section ?? []) {
    const hash = counterHash(name);
    t.read().forEach((value, i) => {
      if (value !== fround(0.15 * hash(i))) throw new Error(`${name}[${i}] is ${value}`);
    });
  }
});

testWithVectors('SOWA weights, plain and as a Lightning checkpoint would wrap them', () => {
  const plain = opened(folder.write('sowa.safetensors', unpacked('sowa-tiny/sowa_own.safetensors.gz')));
  const { all_state_dict_keys: keys } = JSON.parse(readFileSync(vector('sowa-tiny/manifest.json'), 'utf8')) as {
    all_state_dict_keys: Record<string, number[]>;
  };
  for (const [name, t] of plain.tensors) expect([name, t.shape]).toEqual([name, keys[name]]);
  const storages: Record<string, Uint8Array> = {};
  const state: Record<string, Buffer> = {};
  for (const [name, t] of plain.tensors) {
    if (t.dtype !== 'float32') continue;
    const key = String(Object.keys(storages).length);
    storages[key] = bytes(t.read());
    state[`net.${name}`] = tensor({ key, numel: t.numel, size: t.shape, stride: t instanceof StridedTensor ? t.strides : [] });
  }
  const lightning = torch(op.pickle(op.dict({ epoch: op.int(3), state_dict: op.orderedDict(state), callbacks: op.dict({}) })), storages);
  const section = sectionOf(lightning.tensors, 'prompt_learner.ctx_pos');
  expect(section?.size).toBe(Object.keys(storages).length);
  for (const [name, t] of section ?? []) expect(bytes(t.read())).toEqual(bytes(tensorNamed(plain.tensors, name, 'sowa').read()));
});

testWithVectors('OpenAI TorchScript: every weight by its formula, float16 within half a unit in the last place', () => {
  const checkpoint = opened(folder.write('clip.pt', unpacked('openai-jit-tiny/tiny-openai-jit.pt.gz')));
  expect(checkpoint.format).toBe('torchscript');
  expect(checkpoint.tensors.size).toBe(98 + 3);
  expect(checkpoint.tensors.get('input_resolution')?.integers()).toEqual([56]);
  const halves: string[] = [];
  for (const [name, t] of checkpoint.tensors) {
    if (t.dtype === 'int64') continue;
    if (t.dtype === 'float16') halves.push(name);
    const hash = counterHash(name);
    const { offset, scale } = formulaOf(name, t.shape);
    const got = t.read();
    const unusedRow = (i: number) => name === 'token_embedding.weight' && got[i] === 0;
    got.forEach((value, i) => {
      const expected = fround(offset + scale * hash(i));
      const tolerance = t.dtype === 'float16' ? max(abs(expected) * 2 ** -11, 2 ** -25) : 0;
      if (!(abs(value - expected) <= tolerance) && !unusedRow(i)) throw new Error(`${name}[${i}] is ${value}, expected ${expected}`);
    });
  }
  expect(halves).toContain('visual.conv1.weight');
  expect(halves).not.toContain('visual.ln_pre.weight');
});
