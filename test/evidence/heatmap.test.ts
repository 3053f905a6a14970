import { overlay } from '../../src/evidence/heatmap';

test('a map below half the limit is not coloured; a single hot pixel survives the reduction', () => {
  const side = 518;
  const data = new Float32Array(side * side).fill(0.4);
  expect(overlay({ width: side, height: side, data }, 1).data.every((byte, i) => i % 4 !== 3 || byte === 0)).toBe(true);
  data[100 * side + 200] = 3;
  const picture = overlay({ width: side, height: side, data }, 1);
  const coloured = [...picture.data].filter((byte, i) => i % 4 === 3 && byte > 0);
  expect(coloured).toHaveLength(1);
  expect(picture.width).toBeLessThanOrEqual(128);
});

test('colour means the same under every limit', () => {
  const cell = (value: number, limit: number) => [...overlay({ width: 1, height: 1, data: Float32Array.of(value) }, limit).data];
  expect(cell(1.5, 1)).toEqual(cell(3, 2));
});
