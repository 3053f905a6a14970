import { npy } from '../../src/inspect/npy';

test('values that do not fill the shape are a mistake', () => {
  expect(() => npy(new Float32Array(5), [2, 3])).toThrow('5 values do not fill the shape (2, 3)');
});

test.each([
  [[6], '(6,)'],
  [[2, 3], '(2, 3)'],
  [[3, 1, 2], '(3, 1, 2)'],
])('shape %p: header as NEP 1 says, data as they are', (shape, text) => {
  const data = Float32Array.of(0, -1.5, 2, 3e-8, Number.MAX_VALUE, 6);
  const bytes = npy(data, shape);
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]));
  const end = 10 + bytes.readUInt16LE(8);
  expect(end % 64).toBe(0);
  const header = bytes.subarray(10, end).toString('latin1');
  expect(header).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \([0-9, ]+\), \} *\n$/);
  expect(header).toContain(`'shape': ${text},`);
  expect([...data.keys()].map((i) => bytes.readFloatLE(end + 4 * i))).toEqual([...data]);
  expect(bytes).toHaveLength(end + 24);
});

test('a view into a larger buffer writes only itself', () => {
  const view = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
  const bytes = npy(view, [2]);
  expect([bytes.readFloatLE(bytes.length - 8), bytes.readFloatLE(bytes.length - 4)]).toEqual([1, 2]);
});
