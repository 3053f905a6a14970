import { defaultGate, gate } from '../../src/inspect/quality';
import type { Quality } from '../../src/ports';

const good: Quality = { mean: 120, dark: 0.01, bright: 0.01, sharpness: 3 };
const reference = { mean: 120, sharpness: 3 };

test.each<[string, Partial<Quality>, number]>([
  ['black', { mean: 0, dark: 1 }, 304],
  ['white', { mean: 255, bright: 1 }, 304],
  ['nearly all black, with one lamp', { mean: 9, dark: 0.96, bright: 0.04 }, 304],
  ['nearly all saturated', { mean: 240, bright: 0.96 }, 304],
  ['half as bright as the good parts', { mean: 60 }, 304],
  ['half again as bright', { mean: 180 }, 304],
  ['not measurable', { mean: Number.NaN }, 304],
  ['shares not measurable', { bright: Number.NaN }, 304],
  ['blurred', { sharpness: 0.8 }, 305],
  ['flat', { sharpness: 0 }, 305],
  ['sharpness not measurable', { sharpness: Number.NaN }, 305],
])('%s: refused with code and sentence', (_, over, code) => {
  const refused = gate({ ...good, ...over }, reference);
  expect(refused?.code).toBe(code);
  expect(refused?.detail.length).toBeGreaterThan(20);
});

test('the absolute limits hold without a reference; the relative ones cannot', () => {
  expect(gate({ ...good, mean: 3 }, null)?.code).toBe(304);
  expect(gate({ ...good, mean: 30 }, null)).toBeNull();
  expect(gate({ ...good, sharpness: 0.01 }, null)).toBeNull();
});

test.each<[string, Partial<Quality>]>([
  ['as the good parts', {}],
  ['a little darker', { mean: 120 * (1 - defaultGate.meanTolerance) + 0.01 }],
  ['a little brighter', { mean: 120 * (1 + defaultGate.meanTolerance) - 0.01 }],
  ['a little softer', { sharpness: 3 * defaultGate.minSharpness }],
  ['much sharper', { sharpness: 30 }],
])('%s: judged', (_, over) => {
  expect(gate({ ...good, ...over }, reference)).toBeNull();
});

test('the configuration sets the limits', () => {
  expect(gate({ ...good, mean: 110 }, reference, { ...defaultGate, meanTolerance: 0.05 })?.code).toBe(304);
  expect(gate({ ...good, sharpness: 2.5 }, reference, { ...defaultGate, minSharpness: 0.9 })?.code).toBe(305);
});
