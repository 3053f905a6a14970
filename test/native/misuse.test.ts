/** Wrong arguments and wrong moments at the boundary of the addon: a sentence each, never a crash. */
import { native, type RawImage, type Ring } from '../../src/native';
import { inputSpec } from './reference';

/** Not one of them is what any of the addon's functions wants, except a few in a few places. */
const rubbish: unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  1e300,
  '',
  'x',
  'a\0b',
  'x'.repeat(100_000),
  Symbol('s'),
  10n,
  [],
  [1, 2],
  {},
  Object.create(null),
  () => 1,
  new Date(0),
  new Uint8Array(3),
  new Float32Array(3),
  new ArrayBuffer(8),
  new SharedArrayBuffer(8),
  new Proxy({}, { get: () => 1e9 }),
  new Proxy(
    {},
    {
      get: () => {
        throw new Error('a getter that throws');
      },
    },
  ),
];

const image = (): RawImage => ({ width: 8, height: 8, stride: 8, pixelFormat: 'BayerRG8', data: new Uint8Array(64) });
const ring = (): Ring => native().createRing({ slots: 2, width: 4, height: 4 });

/** Promises may reject, cameras and locks that came into being are closed. */
function settle(result: unknown): void {
  const made = result as { then?: unknown; close?: () => unknown } | null | undefined;
  if (typeof made?.then === 'function') (result as Promise<unknown>).catch(() => undefined);
  else if (typeof made?.close === 'function') settle(made.close());
}

/** Calls with anything in any place; what it throws must be an error with a sentence. Returns how many calls were refused. */
function abuse(f: (...args: never[]) => unknown, args: readonly unknown[]): number {
  let refused = 0;
  for (let i = 0; i < Math.max(args.length, 1); i++) {
    for (const bad of rubbish) {
      const given = [...args];
      given[i] = bad;
      try {
        const result = f(...(given as never[]));
        settle(result);
      } catch (thrown) {
        refused++;
        expect((thrown as Error).message.length).toBeGreaterThan(10);
      }
    }
  }
  return refused;
}

/** The same for one property of an object argument. */
function abuseFields(f: (object: never) => unknown, good: object): void {
  for (const key of Object.keys(good)) {
    for (const bad of rubbish) {
      try {
        const result = f({ ...good, [key]: bad } as never);
        settle(result);
      } catch (thrown) {
        expect((thrown as Error).message.length).toBeGreaterThan(10);
      }
    }
  }
}

test('the module functions take rubbish in every place', () => {
  const { createRing, openRing, lockFile } = native();
  const preprocess = native().preprocess.bind(native());
  // undefined is right for the options of preprocess, and a Proxy that answers 1e9 is refused like the rest.
  expect(abuse(createRing, [{ slots: 1, width: 1, height: 1 }])).toBe(rubbish.length);
  expect(abuse(openRing, [1])).toBeGreaterThanOrEqual(rubbish.length - 1);
  expect(abuse(lockFile, ['/proc/nothing/here'])).toBeGreaterThanOrEqual(rubbish.length - 1);
  abuse(preprocess, [image(), inputSpec(4, 4), {}]);
  abuseFields((i) => preprocess(i, inputSpec(4, 4)), image());
  abuseFields((s) => preprocess(image(), s), inputSpec(4, 4));
  abuseFields((o) => preprocess(image(), inputSpec(4, 4), o), { thumbnailWidth: 64, resized: true });
  abuseFields((r) => preprocess(image(), { ...inputSpec(4, 4), region: r }), { x: 0, y: 0, width: 4, height: 4 });
  abuseFields(createRing, { slots: 1, width: 1, height: 1 });
});

test('a picture that cannot be one is refused with what was expected', () => {
  const { preprocess } = native();
  const refusal = (change: object): string => {
    try {
      void preprocess({ ...image(), ...change } as RawImage, inputSpec(4, 4));
    } catch (thrown) {
      return `${(thrown as Error).name}: ${(thrown as Error).message}`;
    }
    return 'taken';
  };
  expect(refusal({})).toBe('taken');
  expect(refusal({ data: new Uint8Array(63) })).toBe('RangeError: expected at least 64 bytes for image.data (8 x 8 BayerRG8), received 63');
  expect(refusal({ stride: 7 })).toBe('RangeError: the stride is shorter than a row of pixels');
  expect(refusal({ width: 3 })).toBe('RangeError: a Bayer frame has at least 4 pixels on each side');
  expect(refusal({ pixelFormat: 'YUV' })).toMatch(/^RangeError: expected one of BayerRG8, .*, received the string 'YUV'$/);
  expect(refusal({ width: 20_000 })).toMatch(/^RangeError: expected a whole number from 1 to 16384 for image.width/);
  expect(refusal({ data: [1, 2, 3] })).toBe('TypeError: expected a Uint8Array for image.data, received an array of 3');
  const detached = new Uint8Array(64);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  expect(refusal({ data: detached })).toMatch(/received 0$/);
  const shrinking = Reflect.construct(ArrayBuffer, [64, { maxByteLength: 128 }]) as ArrayBuffer;
  expect(refusal({ data: new Uint8Array(shrinking) })).toMatch(/^RangeError: expected a buffer that cannot shrink/);
  const region = { x: 5, y: 0, width: 4, height: 4 };
  expect(() => preprocess(image(), { ...inputSpec(4, 4), region })).toThrow('the region does not lie inside the frame');
});

test('a getter that takes the memory away while the arguments are read', () => {
  const data = new Uint8Array(64);
  const sly = {
    ...image(),
    data,
    get pixelFormat() {
      structuredClone(data.buffer, { transfer: [data.buffer] });
      return 'BayerRG8';
    },
  };
  expect(() => native().preprocess(sly as RawImage, inputSpec(4, 4))).toThrow(/received 0$/);
});

test('methods of a ring take rubbish in every place, and the wrong `this`', () => {
  const one = ring();
  for (const method of ['tensor', 'copy', 'thumbnail', 'release'] as const) {
    abuse((...args: never[]) => Reflect.apply(one[method], one, args), [0, 1]);
    for (const self of [...rubbish, Object.create(one), native()]) {
      expect(() => Reflect.apply(one[method], self, [0, 1])).toThrow();
    }
  }
  expect(one.free).toBe(2);
  expect(() => one.tensor(2)).toThrow('expected a whole number from 0 to 1 for the slot, received the number 2');
  expect(() => one.release(0, 1)).toThrow('slot 0 is not held under lease 1: it was released already');
  expect(() => one.copy(0, 1)).toThrow('lease 1 of slot 0 is not in force: the frame was released already');
});

test('a picture that is being preprocessed may lose its memory', async () => {
  const made = Array.from({ length: 12 }, (_, i) => {
    const data = new Uint8Array(1024 * 1024).fill(10 * i);
    const promise = native().preprocess({ width: 1024, height: 1024, stride: 1024, pixelFormat: 'Mono8', data }, inputSpec(4, 4));
    structuredClone(data.buffer, { transfer: [data.buffer] });
    return promise;
  });
  expect((await Promise.all(made)).map(({ quality }) => quality.mean)).toEqual(made.map((_, i) => 10 * i));
});

test('objects of the addon cannot be made by hand', () => {
  const one = ring();
  const Made = one.constructor as new (...args: unknown[]) => unknown;
  for (const bad of rubbish) expect(() => new Made(bad)).toThrow('made by createRing or openRing');
  expect(() => Reflect.apply(Made as unknown as () => void, {}, [])).toThrow();
  class Sub extends (Made as unknown as new () => Ring) {}
  expect(() => new Sub()).toThrow('made by createRing or openRing');
});

describe('camera', () => {
  test('rubbish in the constructor', () => {
    const { Camera } = native();
    const make = (...args: unknown[]): unknown => Reflect.construct(Camera, args);
    expect(abuse(make, [{ backend: 'pushed' }, () => undefined])).toBeGreaterThanOrEqual(2 * rubbish.length - 1);
    // `undefined` is right in the third place.
    expect(abuse(make, [{ backend: 'pushed' }, () => undefined, 1])).toBeGreaterThanOrEqual(3 * rubbish.length - 2);
    for (const before of [ring(), Object.create(Camera.prototype)]) {
      expect(() => make({ backend: 'pushed' }, () => undefined, before)).toThrow();
    }
    expect(() => make({ backend: 'usb' }, () => undefined)).toThrow(
      "expected 'pushed', 'spinnaker' or 'aravis' for backend, received 'usb'",
    );
  });

  test('rubbish in every method, before open, while streaming, after close', async () => {
    const { Camera } = native();
    const one = ring();
    const leases: [number, number][] = [];
    const camera = new Camera({ backend: 'pushed' }, (event) => {
      if (event.kind === 'frame') leases.push([event.slot, event.lease]);
    });
    const stream = { ring: one.id, input: inputSpec(4, 4), thumbnailWidth: 64 };
    const everything = (): void => {
      for (const method of ['get', 'set', 'execute', 'start', 'push', 'pushFault'] as const) {
        // The good values would be carried out; only the places beside the bad one hold them.
        const good: unknown[] = { push: [image(), 1, 0], pushFault: ['c', 'd', 1], set: ['Gain', 1] }[method as 'push'] ?? ['Gain'];
        abuse((...args: never[]) => Reflect.apply(camera[method] as () => unknown, camera, args), good);
      }
      abuseFields((s) => camera.start(s), stream);
      for (const self of [{}, one, Object.create(camera)]) expect(() => Reflect.apply(camera.health, self, [])).toThrow();
    };
    await expect(camera.start(stream)).rejects.toMatchObject({ message: 'the camera is not open', cause: 'closed' });
    everything();
    await camera.open();
    await expect(camera.open()).rejects.toMatchObject({ message: 'the camera is open already', cause: 'refused' });
    await expect(camera.fire()).rejects.toMatchObject({ cause: 'refused' });
    await expect(camera.get('Gain')).rejects.toMatchObject({ message: 'pictures from memory have no camera feature Gain' });
    await camera.start(stream);
    await expect(camera.start(stream)).rejects.toMatchObject({ message: 'the camera is streaming already' });
    everything();
    const closed = camera.close();
    await Promise.all([closed, camera.close(), camera.close()]);
    await camera.close();
    everything();
    await expect(camera.open()).rejects.toMatchObject({ message: 'the camera was closed', cause: 'closed' });
    expect(() => camera.push(image(), 1, 0)).toThrow('the camera was closed');
    expect(camera.health().connected).toBe(false);
    for (const [slot, lease] of leases) one.release(slot, lease);
    expect(one.free).toBe(2);
  });

  test('a ring of another size is refused', async () => {
    const camera = new (native().Camera)({ backend: 'pushed' }, () => undefined);
    const one = ring();
    const stream = { ring: one.id, input: inputSpec(5, 4), thumbnailWidth: 64 };
    await camera.open();
    expect(() => camera.start(stream)).toThrow("the ring's slots are 4 x 4, the input is 5 x 4");
    expect(() => camera.start({ ...stream, ring: 4_000_000 })).toThrow('there is no ring 4000000');
    await camera.close();
    expect(one.free).toBe(2);
  });

  test('the memory of a pushed picture is changed, transferred and dropped before it is looked at: the picture is what was pushed', async () => {
    const means: number[] = [];
    const leases: [number, number][] = [];
    let seen = (): void => undefined;
    const camera = new (native().Camera)({ backend: 'pushed' }, (event) => {
      if (event.kind !== 'frame') return;
      means.push(event.quality.mean);
      leases.push([event.slot, event.lease]);
      if (means.length === 4) seen();
    });
    const all = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const one = native().createRing({ slots: 4, width: 4, height: 4 });
    await camera.open();
    // Nothing is taken before the start: every picture has lost its memory by then.
    for (let tag = 1; tag <= 4; tag++) {
      const data = new Uint8Array(512 * 512).fill(40 * tag);
      camera.push({ width: 512, height: 512, stride: 512, pixelFormat: 'Mono8', data }, tag, 0);
      if (tag === 1) data.fill(0);
      else structuredClone(data.buffer, { transfer: [data.buffer] });
      if (tag > 1) expect(data.byteLength).toBe(0);
    }
    await camera.start({ ring: one.id, input: inputSpec(4, 4), thumbnailWidth: 0 });
    await all;
    expect(means).toEqual([40, 80, 120, 160]);
    for (const [slot, lease] of leases) one.release(slot, lease);
    await camera.close();
  });

  test('a tag in use, and a full queue', async () => {
    const camera = new (native().Camera)({ backend: 'pushed' }, () => undefined);
    await camera.open(); // not streaming: nothing is taken
    for (let tag = 1; tag <= 8; tag++) camera.push(image(), tag, 0);
    expect(() => camera.push(image(), 3, 0)).toThrow('tag 3 is in use');
    expect(() => camera.push(image(), 9, 0)).toThrow('the queue is full');
    expect(() => camera.pushFault('c', 'd', 10)).toThrow('the queue is full');
    await camera.close();
  });
});
