/** Hostile and broken checkpoints: a name, the bytes, and what the refusal must say. */
import { deflateRawSync } from 'node:zlib';
import { type EntrySpec, op, scriptFile, storageId, type TensorSpec, tensor, torchEntries, torchFile, zip } from './archives';

export type Hostile = [name: string, bytes: () => Buffer, says: RegExp];

const good = op.pickle(op.orderedDict({ w: tensor() }));
const withValue = (value: Buffer) => torchFile(op.pickle(op.dict({ w: tensor(), x: value })));
const withTensor = (spec: TensorSpec) => torchFile(op.pickle(op.dict({ w: tensor(spec) })));
const change = (change: (entries: EntrySpec[]) => void) => {
  const entries = torchEntries(good);
  change(entries);
  return zip(entries);
};
const lie = (index: number, what: NonNullable<EntrySpec['lie']>) => () =>
  change((entries) => {
    const entry = entries[index];
    if (entry) entry.lie = what;
  });
const bytes64 = (...values: (number | bigint)[]) => {
  const field = Buffer.alloc(4 + 8 * values.length);
  field.writeUInt16LE(1);
  field.writeUInt16LE(8 * values.length, 2);
  values.forEach((value, i) => {
    field.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  });
  return field;
};

const named: Hostile[] = [
  ['posix', 'system'],
  ['nt', 'system'],
  ['os', 'system'],
  ['subprocess', 'Popen'],
  ['builtins', 'eval'],
  ['__builtin__', 'eval'],
  ['builtins', 'exec'],
  ['builtins', 'getattr'],
  ['builtins', '__import__'],
  ['importlib', 'import_module'],
  ['runpy', '_run_code'],
  ['pickle', 'loads'],
  ['_pickle', 'Unpickler'],
  ['torch', 'load'],
  ['torch.hub', 'load'],
  ['torch', 'storage'],
  ['torch', '__proto__'],
  ['torch', 'constructor'],
  ['torch._utils', '_rebuild_sparse_tensor'],
  ['collections', 'OrderedDict.__reduce__'],
  ['numpy.core.multiarray', '_reconstruct'],
  ['__torch__.a', 'A'],
].map(([module = '', name = '']): Hostile => {
  const full = `${module}.${name}`.replaceAll('.', '\\.');
  return [`global ${module}.${name}`, () => withValue(op.call(module, name, op.text('id'))), new RegExp(`mentions "${full}"`)];
});

/** 2^40 paths to nothing: every level holds the level below twice. */
const memoBomb = () => {
  const levels = Array.from({ length: 40 }, (_, n) =>
    Buffer.concat([op.emptyDict, op.mark, op.text('a'), op.get(n), op.text('b'), op.get(n), op.setItems, op.put(n + 1)]),
  );
  // Each level stays in a list, which is dropped; the last one is the value.
  return Buffer.concat([op.emptyList, op.mark, op.emptyDict, op.put(0), ...levels, op.appends]);
};

const pickles: Hostile[] = [
  [
    'system by STACK_GLOBAL',
    () => withValue(Buffer.concat([op.shortText('posix'), op.shortText('system'), op.stackGlobal])),
    /"posix\.system"/,
  ],
  ['system by INST', () => withValue(Buffer.concat([op.mark, op.text('id'), Buffer.from('ios\nsystem\n')])), /operation 0x69/],
  ['system by OBJ', () => withValue(Buffer.concat([op.mark, Buffer.from('o')])), /operation 0x6f/],
  ['extension registry', () => withValue(Buffer.from([0x82, 1])), /operation 0x82/],
  ['persistent id as text', () => withValue(Buffer.from('Phttp://a/b\n')), /operation 0x50/],
  ['persistent id of a module', () => withValue(Buffer.concat([op.tuple(op.text('module'), op.text('a')), op.persistent])), /no storage/],
  ['system in TorchScript', () => scriptFile(op.pickle(op.call('posix', 'system', op.text('id')))), /"posix\.system"/],
  [
    'a near name in TorchScript',
    () => scriptFile(op.pickle(op.global('__torch__evil', 'A'), op.emptyTuple, op.newObject)),
    /"__torch__evil\.A"/,
  ],
  [
    'object with arguments in TorchScript',
    () => scriptFile(op.pickle(op.global('__torch__.a', 'A'), op.tuple(op.int(1)), op.newObject)),
    /makes an object/,
  ],
  ['call of a TorchScript class', () => scriptFile(op.pickle(op.call('__torch__.a', 'A'))), /calls "__torch__\.a\.A"/],
  [
    'object of a storage class',
    () => withValue(Buffer.concat([op.global('torch', 'FloatStorage'), op.emptyTuple, op.newObject])),
    /makes an object/,
  ],
  ['call of a storage class', () => withValue(op.call('torch', 'FloatStorage', op.int(9))), /calls "torch\.FloatStorage"/],
  ['state on a tensor', () => withValue(Buffer.concat([tensor(), op.dict({ a: op.int(1) }), op.build])), /state to something/],
  [
    'state on a dict',
    () => withValue(Buffer.concat([op.orderedDict({}), op.dict({ __class__: op.int(1) }), op.build])),
    /state to something/,
  ],
  ['call of a number', () => withValue(Buffer.concat([op.int(1), op.emptyTuple, op.reduce])), /no name/],
  ['name with control characters', () => withValue(op.global('a\u001b[2J', 'b')), /mentions "a\\u001b\[2J\.b"/],
  ['name without end', () => withValue(Buffer.concat([Buffer.from('c'), Buffer.alloc(600, 'a')])), /name without an end/],
  [
    'dict in itself',
    () => torchFile(op.pickle(op.dict({ w: tensor() }), op.put(0), op.text('self'), op.get(0), op.setItem)),
    /contains itself/,
  ],
  [
    'state of TorchScript in itself',
    () =>
      scriptFile(op.pickle(op.global('__torch__.a', 'A'), op.emptyTuple, op.newObject, op.put(0), op.dict({ self: op.get(0) }), op.build)),
    /contains itself/,
  ],
  ['2^40 paths through the memo', () => torchFile(op.pickle(memoBomb(), Buffer.alloc(0))), /holds no tensors/],
  [
    '2^40 paths through the memo, walked',
    () => torchFile(op.pickle(op.dict({ w: tensor(), list: memoBomb(), top: op.get(40) }))),
    /more than 200000 named values/,
  ],
  [
    'nesting of 100 dicts',
    () =>
      torchFile(
        op.pickle(
          ...Array.from({ length: 100 }, () => Buffer.concat([op.emptyDict, op.text('a')])),
          tensor(),
          ...Array.from({ length: 100 }, () => op.setItem),
        ),
      ),
    /nested deeper than 64/,
  ],
  ['a million marks', () => withValue(Buffer.alloc(1_000_000, '(')), /nests deeper/],
  ['a million lists', () => withValue(Buffer.alloc(1_000_000, ']')), /keeps more than|more values/],
  ['seven million dicts dropped at once', () => withValue(Buffer.alloc(7_000_000, '}0')), /operation 0x30/],
  ['three million numbers in lists', () => torchFile(op.pickle(op.emptyList, ...manyAppends(60, 50_000))), /more values than/],
  ['nine megabytes of pickle', () => torchFile(op.pickle(Buffer.alloc(9 << 20, 'N'))), /at most 8388608/],
  ['memo of half a million', () => torchFile(op.pickle(op.none, Buffer.alloc(500_000, 0x94))), /more values than/],
  ['recall of nothing', () => withValue(op.get(77)), /recalls value 77/],
  ['text of 4 GB', () => withValue(Buffer.from('X\xff\xff\xff\xff', 'latin1')), /text of 4294967295 bytes/],
  ['text not UTF-8', () => withValue(Buffer.from('X\x02\x00\x00\x00\xff\xfe', 'latin1')), /not UTF-8/],
  ['integer of 255 bytes', () => withValue(Buffer.concat([Buffer.from([0x8a, 255]), Buffer.alloc(255, 1)])), /integer of 255 bytes/],
  ['integer of 2^31 bytes', () => withValue(Buffer.from([0x8b, 0, 0, 0, 128])), /operation 0x8b/],
  ['frame longer than the file', () => withValue(Buffer.concat([Buffer.from([0x95]), Buffer.alloc(8, 255)])), /frame longer/],
  [
    'values taken from nothing',
    () => torchFile(Buffer.concat([Buffer.from([0x80, 2]), Buffer.from('sss.')])),
    /takes a value where there is none/,
  ],
  ['mark taken from nothing', () => torchFile(op.pickle(Buffer.from('t'))), /mark that was never set/],
  ['value below a mark', () => torchFile(op.pickle(op.none, op.mark, Buffer.from([0x85]))), /takes a value/],
  ['two values left', () => torchFile(op.pickle(op.dict({ w: tensor() }), op.none)), /ends with 2 values/],
  [
    'pickle behind the pickle',
    () => torchFile(Buffer.concat([good, op.pickle(op.call('posix', 'system', op.text('id')))])),
    /behind its end/,
  ],
  ['pickle without end', () => torchFile(good.subarray(0, -1)), /cut short/],
  ['protocol 0', () => torchFile(Buffer.from('(dp0\n.')), /does not begin as a pickle/],
  ['protocol 5', () => torchFile(Buffer.concat([Buffer.from([0x80, 5]), op.none, op.stop])), /protocol 5/],
  [
    'key twice',
    () => torchFile(op.pickle(op.emptyDict, op.mark, op.text('w'), tensor(), op.text('w'), tensor(), op.setItems)),
    /key "w" twice/,
  ],
  [
    'two tensors of one name',
    () => torchFile(op.pickle(op.dict({ 'a.b': tensor(), a: op.dict({ b: tensor() }) }))),
    /two tensors named "a\.b"/,
  ],
  ['no tensors', () => torchFile(op.pickle(op.dict({ a: op.int(1) }))), /holds no tensors/],
];

function manyAppends(batches: number, each: number): Buffer[] {
  const batch = Buffer.concat([op.mark, Buffer.alloc(each, 'N'), op.appends]);
  return new Array<Buffer>(batches).fill(batch);
}

const tensors: Hostile[] = [
  ['storage of 2^60 elements', () => withTensor({ numel: 2n ** 60n }), /integer 1152921504606846976/],
  ['storage of 2^50 elements', () => withTensor({ numel: 2 ** 50 }), /claims 1125899906842624 elements/],
  ['storage of -6 elements', () => withTensor({ numel: -6 }), /claims -6 elements/],
  ['size of 2^60', () => withTensor({ size: [2n ** 60n], stride: [1] }), /integer 1152921504606846976/],
  ['sizes whose product overflows', () => withTensor({ size: [2 ** 50, 2 ** 50, 2 ** 50], stride: [0, 0, 0] }), /elements, at most/],
  ['sizes whose product is 2^32', () => withTensor({ size: [65536, 65536], stride: [0, 0] }), /elements, at most/],
  ['negative size', () => withTensor({ size: [-2, -3] }), /shape \[-2,-3\]/],
  ['negative stride', () => withTensor({ offset: 5, size: [6], stride: [-1] }), /cannot be negative/],
  ['stride beyond the storage', () => withTensor({ stride: [4, 1] }), /reaches element 7 of a storage of 6/],
  ['stride of 2^52', () => withTensor({ stride: [2 ** 52, 1] }), /reaches element/],
  ['offset beyond the storage', () => withTensor({ offset: 1 }), /reaches element 7/],
  ['negative offset', () => withTensor({ offset: -1 }), /offset -1/],
  ['one element repeated a billion times', () => withTensor({ size: [1 << 30], stride: [0] }), /on a storage of 6/],
  ['rows that overlap', () => withTensor({ size: [5, 2], stride: [1, 1] }), /has 10 elements on a storage of 6/],
  ['nine dimensions', () => withTensor({ size: new Array(9).fill(1), stride: new Array(9).fill(1) }), /9 dimensions/],
  ['fewer strides than dimensions', () => withTensor({ stride: [1] }), /2 dimensions and 1 strides/],
  [
    'a fraction as size',
    () =>
      torchFile(
        op.pickle(
          op.dict({
            w: op.call(
              'torch._utils',
              '_rebuild_tensor_v2',
              storageId({}),
              op.int(0),
              op.tuple(op.float(1.5)),
              op.tuple(op.int(1)),
              op.false,
              op.none,
            ),
          }),
        ),
      ),
    /shape \[1\.5\]/,
  ],
  [
    'NaN as offset',
    () =>
      torchFile(
        op.pickle(
          op.dict({
            w: op.call(
              'torch._utils',
              '_rebuild_tensor_v2',
              storageId({}),
              op.float(Number.NaN),
              op.tuple(op.int(1)),
              op.tuple(op.int(1)),
              op.false,
              op.none,
            ),
          }),
        ),
      ),
    /offset NaN/,
  ],
  [
    'tensor of a text',
    () => torchFile(op.pickle(op.call('torch._utils', '_rebuild_tensor_v2', ...new Array(6).fill(op.text('a'))))),
    /rebuilds a tensor/,
  ],
  ['tensor with hooks', () => withTensor({ hooks: op.orderedDict({ a: op.int(1) }) }), /hooks/],
  ['storage named by a path', () => withTensor({ key: '../../etc/passwd' }), /storage named "\.\.\/\.\.\/etc\/passwd"/],
  ['storage that is not there', () => withTensor({ key: '7' }), /"archive\/data\/7" is missing/],
  ['storage of another type', () => withTensor({ type: 'DoubleStorage' }), /6 elements of float64, its entry has 24 bytes/],
  [
    'storage described in two ways',
    () => torchFile(op.pickle(op.dict({ a: tensor(), b: tensor({ type: 'IntStorage' }) }))),
    /storage 0 is described in two ways/,
  ],
];

const symlink = (0o120777 << 16) >>> 0;
const zeros = () => Buffer.alloc(64 << 20);

const archives: Hostile[] = [
  ['entries that overlap', lie(1, { offset: 64 }), /overlap|no header/],
  [
    'two entries on the same bytes',
    () =>
      change((entries) =>
        entries.push({ name: 'archive/data/1', data: Buffer.alloc(8), lie: { offset: 0, centralName: 'archive/data.pkl2' } }),
      ),
    /overlap/,
  ],
  ['an entry that swallows the next', lie(0, { size: good.length + 10, compressedSize: good.length + 10 }), /overlap/],
  ['an entry beyond the end', lie(2, { size: 1 << 30, compressedSize: 1 << 30 }), /outside/],
  ['an entry placed beyond the end', lie(2, { offset: 0x7fffffff }), /outside/],
  ...[
    '../../etc/cron.d/x',
    '/etc/passwd',
    'archive\\..\\x',
    'C:/x',
    'archive/./x',
    'archive//x',
    'archive/x\u0000.pkl',
    'archive/folder/',
    '',
  ].map((name): Hostile => [`entry named ${JSON.stringify(name)}`, lie(2, { centralName: name }), /has an entry named/]),
  [
    'name not UTF-8',
    () =>
      patched(
        change(() => {}),
        'archive/version',
        Buffer.from('archive/vers\xff\xfen', 'latin1'),
      ),
    /not UTF-8/,
  ],
  ['symbolic link', lie(1, { attributes: symlink }), /symbolic link/],
  ['device node', lie(1, { attributes: (0o060600 << 16) >>> 0 }), /not a plain file/],
  ['encrypted entry', lie(1, { flags: 0x0801 }), /encrypted/],
  ['strongly encrypted entry', lie(1, { flags: 0x0841 }), /encrypted/],
  ['entry encrypted in the header only', lie(1, { flags: 0x0801, centralFlags: 0x0800 }), /do not agree on its flags/],
  [
    'two entries of one name',
    () => change((entries) => entries.push({ name: 'archive/data/0', data: Buffer.alloc(24) })),
    /two entries named/,
  ],
  ['header and directory with two names', lie(1, { centralName: 'archive/data/1' }), /do not agree on its name/],
  ['header and directory with two sizes', lie(1, { localSize: 12 }), /do not agree on its size/],
  ['stored, yet of two sizes', lie(1, { size: 1 << 30 }), /is stored, yet/],
  ['LZMA', lie(1, { method: 14 }), /method 14/],
  ['pickle deflated', () => change((entries) => Object.assign(entries[0] ?? {}, { deflate: true })), /data\.pkl" is compressed/],
  ['storage deflated', () => change((entries) => Object.assign(entries[1] ?? {}, { deflate: true })), /data\/0" is compressed/],
  [
    'bomb of 64 MB in 65 KB',
    () => change((entries) => entries.push({ name: 'archive/data/1', data: zeros(), deflate: true })),
    /decompression bomb/,
  ],
  [
    'bomb in the pickle',
    () => change((entries) => Object.assign(entries[0] ?? {}, { data: zeros(), deflate: true })),
    /decompression bomb/,
  ],
  ['bomb that denies its size', () => bombInDisguise(), /is stored, yet|is compressed|checksum/],
  ['zip64 size without its field', lie(1, { size: 0xffffffff, compressedSize: 0xffffffff }), /zip64 field, and has none/],
  ['zip64 size of 2^63', lie(1, { size: 0xffffffff, extra: bytes64(2n ** 63n) }), /size or place of 9223372036854775808/],
  ['zip64 size of 2^50', lie(1, { size: 0xffffffff, compressedSize: 0xffffffff, extra: bytes64(2 ** 50, 2 ** 50) }), /outside/],
  ['two zip64 fields', lie(1, { size: 0xffffffff, extra: Buffer.concat([bytes64(24), bytes64(25)]) }), /two zip64 fields/],
  ['extra field longer than its record', lie(1, { extra: Buffer.from([1, 0, 200, 0]) }), /extra field longer/],
  ['zip64 record with another count', () => zip(torchEntries(good), { zip64: { count: 2 } }), /do not agree on the entries/],
  ['zip64 record with another place', () => zip(torchEntries(good), { zip64: { offset: 0 } }), /do not agree on the place/],
  ['zip64 record with another size', () => zip(torchEntries(good), { zip64: { size: 46 } }), /do not agree on the size/],
  ['zip64 count of 2^40', () => zip(torchEntries(good), { count: 0xffff, zip64: { count: 2 ** 40 } }), /claims 1099511627776 entries/],
  [
    'zip64 place of 2^60',
    () => zip(torchEntries(good), { offset: 0xffffffff, zip64: { offset: 2n ** 60n } }),
    /size or place of 1152921504606846976/,
  ],
  ['zip64 locator elsewhere', () => zip(torchEntries(good), { zip64: { locator: 0 } }), /locator points to byte 0/],
  ['zip64 promised, not there', () => zip(torchEntries(good), { offset: 0xffffffff }), /not right before its end record/],
  ['count too high', () => zip(torchEntries(good), { count: 4 }), /claims 4 entries and lists 3/],
  ['count too low', () => zip(torchEntries(good), { count: 2 }), /claims 2 entries and lists 3/],
  ['directory too short', () => zip(torchEntries(good), { size: 40 }), /not right before its end record/],
  ['directory of 4 GB', () => zip(torchEntries(good), { size: 0xfffffffe }), /directory of 4294967294 bytes/],
  ['split archive', () => zip(torchEntries(good), { disk: 1 }), /split archive/],
  ['something appended', () => Buffer.concat([torchFile(good), Buffer.from('<?php')]), /something was appended/],
  ['second archive in the comment', () => zip(torchEntries(good), { comment: torchFile(good) }), /locator points to byte/],
  ['archive appended to another', () => Buffer.concat([torchFile(good), zip(torchEntries(good))]), /not right before its end record/],
  ['forty thousand entries', () => zip(manyEntries(40_000)), /claims 40000 entries/],
  ['two roots', () => zip([...torchEntries(good), ...torchEntries(good, undefined, 'other')]), /no single folder/],
  ['no root', () => zip([{ name: 'data.pkl', data: good }]), /no single folder/],
  ['no pickle', () => change((entries) => entries.splice(0, 1)), /no single folder/],
  ['no version', () => change((entries) => entries.splice(2, 1)), /version" is missing/],
  ['version of a megabyte', () => change((entries) => Object.assign(entries[2] ?? {}, { data: Buffer.alloc(1 << 20, '3') })), /at most 32/],
  [
    'version that is no number',
    () => change((entries) => Object.assign(entries[2] ?? {}, { data: Buffer.from('x') })),
    /format version is "x"/,
  ],
  ['big-endian', () => change((entries) => entries.push({ name: 'archive/byteorder', data: Buffer.from('big') })), /byte order is "big"/],
  ['pickle with a wrong checksum', lie(0, { crc: 1 }), /data\.pkl" does not match its checksum/],
  ['storage with a wrong checksum', lie(1, { crc: 1 }), /data\/0" does not match its checksum/],
  [
    'no archive behind the signature',
    () => Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(100)]),
    /does not end in the end record/,
  ],
];

/** A deflate stream of zeros labelled as stored bytes of the right length: read as it is, it fails the checksum. */
function bombInDisguise(): Buffer {
  const packed = deflateRawSync(zeros());
  const numel = Math.floor(packed.length / 4);
  return zip([
    { name: 'archive/data.pkl', data: op.pickle(op.dict({ w: tensor({ numel, size: [numel], stride: [1] }) })) },
    { name: 'archive/data/0', data: packed.subarray(0, numel * 4), lie: { crc: 0x1234 } },
    { name: 'archive/version', data: Buffer.from('3\n') },
  ]);
}

const manyEntries = (count: number): EntrySpec[] =>
  Array.from({ length: count }, (_, n) => ({ name: `archive/data/${n}`, data: Buffer.alloc(0) }));

/** All places of one text replaced by another of the same length. */
function patched(file: Buffer, text: string, by: Buffer): Buffer {
  for (let at = file.indexOf(text); at >= 0; at = file.indexOf(text, at + 1)) by.copy(file, at);
  return file;
}

const others: Hostile[] = [
  ['empty file', () => Buffer.alloc(0), /is empty/],
  [
    'torch.save before 1.6',
    () => Buffer.from('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.', 'latin1'),
    /before PyTorch 1\.6/,
  ],
  [
    'tar of the oldest torch',
    () => Buffer.concat([Buffer.alloc(257, 'a'), Buffer.from('ustar'), Buffer.alloc(250)]),
    /before PyTorch 1\.6/,
  ],
  ['bare pickle', () => op.pickle(op.call('posix', 'system', op.text('id'))), /bare pickle/],
  ['gzip', () => Buffer.from([0x1f, 0x8b, 8, 0, 0, 0]), /gunzip/],
  ['Git LFS pointer', () => Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'), /git lfs pull/],
  ['web page', () => Buffer.from('<!doctype html><title>404</title>'), /web page/],
  ['noise', () => Buffer.alloc(1000, 'noise'), /neither a PyTorch archive/],
];

export const hostile: readonly Hostile[] = [...named, ...pickles, ...tensors, ...archives, ...others];
export const goodFile = (): Buffer => torchFile(good);
