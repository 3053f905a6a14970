/** A source that fails: no trigger goes unanswered, and the reader learns why. */
import { FedCamera, type Session, type Shown, type Source } from '../../src/camera/fed';
import { PushedCamera } from '../../src/camera/pushed';
import { never, planOf, Reader, rejection, soon } from '../contract/camera';
import { pixels } from '../support/pictures';

/** Gives `good` pictures, then rejects as a source does whose worker died. */
class Failing implements Source {
  closed = 0;
  constructor(private readonly good: number) {}
  open(): Promise<Session> {
    let given = 0;
    const shown: Shown = {
      kind: 'image',
      image: { width: 16, height: 8, stride: 48, pixelFormat: 'RGB8', data: pixels(16, 8) },
      source: null,
      truth: null,
      taken: () => undefined,
      done: () => undefined,
    };
    return Promise.resolve({
      info: { vendor: 'test', model: 'failing', serial: '1', simulated: true, width: 16, height: 8, pixelFormat: 'RGB8' },
      next: () => (given++ < this.good ? Promise.resolve(shown) : Promise.reject(new Error('the worker ended (exit code 1)'))),
      wanted: () => true,
      close: () => {
        this.closed++;
        return Promise.resolve();
      },
    });
  }
}

test('frames before the failure come, waiting triggers become faults 301, then the stream throws; a restart is possible', async () => {
  const source = new Failing(2);
  const camera = new FedCamera(source, 0, new PushedCamera({ simulated: true }));
  for (let round = 1; round <= 2; round++) {
    await camera.start(planOf(), never());
    const reader = new Reader(camera);
    await Promise.all([camera.fire(), camera.fire(), camera.fire(), camera.fire()]);
    for (let i = 0; i < 2; i++) (await reader.frame()).release();
    for (let i = 0; i < 2; i++) {
      const shot = await reader.shot();
      expect(shot).toMatchObject({ kind: 'fault', code: 301, detail: expect.stringMatching(/exit code 1/) });
    }
    const thrown = await rejection(reader.next());
    expect(thrown.code).toBe('CAMERA_FAILED');
    expect(thrown.message).toMatch(/exit code 1/);
    expect((await rejection(camera.fire())).code).toBe('CAMERA_FAILED');
    expect(camera.health().connected).toBe(false);
    await camera.stop(soon());
    expect(source.closed).toBe(round);
  }
});

test('exposures before the first start are refused with what to do', () => {
  const camera = new FedCamera(new Failing(1), 0, new PushedCamera({ simulated: true }));
  expect(() => camera.exposures()).toThrow(/Start it before/);
});
