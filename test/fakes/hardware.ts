import pino from 'pino';
import { Code, Evaluation, ResultState } from '../../src/codes';
import { ResultIds } from '../../src/line/ids';
import { Line, type Report } from '../../src/line/line';
import type { Findings, Frame, FrameFault } from '../../src/ports';
import { FakeClock } from './clock';
import { FakeLog, FakePublisher, fakeFrame, goodFindings } from './line';

/** A line whose parts are announced, with the camera, model, log and wire in the test's hand. Every picture shows a good part. */
export function hardwareRig() {
  const clock = new FakeClock();
  const log = new FakeLog();
  const publisher = new FakePublisher(() => clock.now());
  const reports: Report[] = [];
  let held: Promise<void> | null = null;
  const model = {
    inspect: async (_frame: Frame): Promise<Findings> => {
      await held;
      return goodFindings;
    },
    /** Answers wait until the function returned is called. */
    hold: (): (() => void) => {
      let go = (): void => undefined;
      held = new Promise((resolve) => {
        go = resolve;
      });
      return go;
    },
  };
  const line = new Line(
    { freeRun: false, hardware: { leadMin: 20, leadMax: 1000 }, ttl: 1500, margin: 200, maxOpen: 4, lot: '', config: 'c' },
    {
      clock,
      exposures: { fire: () => Promise.reject(new Error('no software trigger')), restart: () => undefined },
      inspector: { inspect: (frame) => model.inspect(frame) },
      log,
      publisher,
      judge: (outcome, _job, { late, operational }) =>
        outcome.kind === 'fault'
          ? { evaluation: Evaluation.Undefined, code: outcome.code, state: ResultState.Failed, released: 0, detail: outcome.detail }
          : {
              evaluation: Evaluation.OK,
              code: late || !operational ? Code.tooLate : Code.ok,
              state: ResultState.Completed,
              released: late || !operational ? 0 : 1,
              detail: '',
            },
      ids: new ResultIds(1),
      diagnostics: pino({ level: 'silent' }),
      notReady: () => Code.ok,
      evidence: (_report, frame) => frame.release(),
      report: (report) => reports.push(report),
    },
    0,
  );
  line.use({
    plan: {
      id: 1,
      recipe: { id: 'plate', number: 3 },
      input: { width: 8, height: 8, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] },
      camera: {},
    },
    bundle: 'b'.repeat(64),
    simulated: false,
    limit: { value: 1.5, grey: 0, provisional: false },
    gate: () => null,
    provider: () => 'cpu',
  });
  const announce = (seq: number) => line.trigger({ seq, partId: `P${seq}`, recipeId: 0, received: clock.now() });
  const expose = (frameId: number, exposed = clock.now()) => {
    const frame = fakeFrame({ frameId, exposed, ready: clock.now() });
    line.exposure(frame);
    return frame;
  };
  const spoil = (detail: string) => {
    const fault: FrameFault = { kind: 'fault', code: Code.incompleteFrame, detail, at: clock.now(), source: null, truth: null };
    line.exposure(fault);
  };
  return { clock, log, publisher, reports, model, line, announce, expose, spoil };
}
