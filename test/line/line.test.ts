import pino from 'pino';
import { Code, Evaluation, ResultState } from '../../src/codes';
import { InspectionError } from '../../src/errors';
import { ResultIds } from '../../src/line/ids';
import type { Job, Judge } from '../../src/line/job';
import { Line, type Report } from '../../src/line/line';
import type { Findings, Frame } from '../../src/ports';
import { FakeClock, settle } from '../fakes/clock';
import { FakeLog, FakePublisher, fakeFrame, goodFindings } from '../fakes/line';

const job: Job = {
  plan: {
    id: 1,
    recipe: { id: 'plate', number: 3 },
    input: { width: 8, height: 8, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] },
    camera: {},
  },
  bundle: 'b'.repeat(64),
  simulated: false,
  limit: { value: 1.5, grey: 0, provisional: false },
  gate: (quality) => (quality.mean < 10 ? { code: Code.brightness, detail: 'too dark' } : null),
  provider: () => 'cpu',
};

/** The shortest honest judge: the room inspect/verdict.ts has its own tests. */
const judge: Judge = (outcome, terms, { part, late, operational }) => {
  if (outcome.kind === 'fault') {
    return { evaluation: Evaluation.Undefined, code: outcome.code, state: ResultState.Failed, released: 0, detail: outcome.detail };
  }
  const good = outcome.findings.score <= terms.limit.value;
  const released = good && !late && operational && part.seq > 0 ? 1 : 0;
  return {
    evaluation: good ? Evaluation.OK : Evaluation.NotOK,
    code: good ? (released ? Code.ok : Code.tooLate) : Code.anomaly,
    state: ResultState.Completed,
    released,
    detail: '',
  };
};

type Over = { freeRun?: boolean; maxOpen?: number; badReader?: boolean; lot?: { current: string } };

function rig({ badReader, lot = { current: '' }, ...over }: Over = {}) {
  const clock = new FakeClock();
  const log = new FakeLog();
  const publisher = new FakePublisher(() => clock.now());
  const camera = { fired: 0, broken: null as Error | null, restarts: 0 };
  const exposures = {
    fire: () => {
      camera.fired++;
      return camera.broken === null ? Promise.resolve() : Promise.reject(camera.broken);
    },
    restart: () => {
      camera.restarts++;
    },
  };
  const model: { next: () => Promise<Findings> } = { next: () => Promise.resolve(goodFindings) };
  const reports: Report[] = [];
  const kept: Frame[] = [];
  let notReady: Code = Code.ok;
  const line = new Line(
    {
      ...{ freeRun: false, ttl: 1500, margin: 200, maxOpen: 2, config: 'c', ...over },
      get lot() {
        return lot.current;
      },
    },
    {
      clock,
      exposures,
      inspector: { inspect: () => model.next() },
      log,
      publisher,
      judge,
      ids: new ResultIds(1),
      diagnostics: pino({ level: 'silent' }),
      notReady: () => notReady,
      evidence: (_report, frame) => {
        kept.push(frame);
        frame.release();
      },
      report: (report) => {
        reports.push(report);
        if (badReader) throw new Error('nobody reads');
      },
    },
    0,
  );
  line.use(job);
  const trigger = (seq: number, partId = `P${seq}`) => line.trigger({ seq, partId, recipeId: 0, received: clock.now() });
  const frame = (frameOver: Partial<Frame> = {}) => fakeFrame({ exposed: clock.now(), ready: clock.now(), ...frameOver });
  return { clock, log, publisher, camera, model, reports, kept, line, trigger, frame, setNotReady: (code: Code) => (notReady = code) };
}

describe('what goes wrong', () => {
  test('no frame comes: 302 before the TTL, the stream is restarted, the part is logged as late', async () => {
    const { clock, publisher, camera, line, trigger, frame, log } = rig();
    trigger(1);
    await clock.advance(1299);
    expect(publisher.wire).toEqual(['ack 1 0']);
    await clock.advance(1);
    expect(publisher.wire).toEqual(['ack 1 0', 'refuse 1 302']);
    expect(camera.restarts).toBe(1);
    expect(log.rows).toMatchObject([{ late: true, code: 302, released: 0 }]);
    // The frame that comes after all belongs to nobody.
    const late = frame();
    line.exposure(late);
    await settle();
    expect(late.releases()).toBe(1);
    expect(publisher.wire).toHaveLength(2);
    expect(line.openParts).toBe(0);
  });

  test('a frame exposed before the trigger is never taken for the part', async () => {
    const { clock, publisher, line, trigger, frame } = rig();
    const stale = frame({ exposed: clock.now() - 1 });
    trigger(1);
    line.exposure(stale);
    await settle();
    expect(stale.releases()).toBe(1);
    expect(publisher.wire).toEqual(['ack 1 0']);
    line.exposure(frame());
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 1']);
  });

  test('the camera refuses to fire: 301, and the next part gets its turn', async () => {
    const { publisher, camera, trigger, line, frame } = rig();
    camera.broken = new Error('device lost');
    trigger(1);
    await settle();
    camera.broken = null;
    trigger(2);
    line.exposure(frame());
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'result 1 ok 0', 'ack 2 0', 'acquired 2', 'result 2 ok 1']);
  });

  test('a faulty frame is not judged', async () => {
    const { clock, publisher, line, trigger, reports } = rig();
    trigger(1);
    line.exposure({ kind: 'fault', code: Code.incompleteFrame, detail: 'half a frame', at: clock.now(), source: null, truth: null });
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 0']);
    expect(reports[0]?.verdict).toMatchObject({ code: 303, state: ResultState.Failed, released: 0, detail: 'half a frame' });
  });

  test.each([
    [Code.cameraTimeout, 1],
    [Code.incompleteFrame, 0],
  ])('the camera answers an exposure with %i: %i restarts, as its frame may still come', async (code, restarts) => {
    const { clock, camera, publisher, line, trigger } = rig();
    trigger(1);
    line.exposure({ kind: 'fault', code, detail: 'none came', at: clock.now(), source: null, truth: null });
    expect(camera.restarts).toBe(restarts); // before anything is fired again
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 0']);
  });

  test('of a camera that runs free, a time-out restarts nothing', async () => {
    const { clock, camera, line } = rig({ freeRun: true });
    line.exposure({ kind: 'fault', code: Code.cameraTimeout, detail: 'late', at: clock.now(), source: null, truth: null });
    await settle();
    expect(camera.restarts).toBe(0);
  });

  test('a part keeps the lot it was opened in', async () => {
    const lot = { current: 'L1' };
    const { line, trigger, frame, reports } = rig({ lot });
    trigger(1);
    lot.current = 'L2';
    line.exposure(frame());
    await settle();
    trigger(2);
    line.exposure(frame());
    await settle();
    expect(reports.map(({ verdict }) => verdict.lot)).toEqual(['L1', 'L2']);
  });

  test('a frame of another plan is not judged', async () => {
    const { line, trigger, frame, reports, model } = rig();
    model.next = () => Promise.reject(new Error('must not be asked'));
    trigger(1);
    const other = frame({ planId: 2 });
    line.exposure(other);
    await settle();
    expect(reports[0]?.verdict.code).toBe(303);
    expect(other.releases()).toBe(1);
  });

  test('a picture the gate refuses is not judged', async () => {
    const { line, trigger, frame, reports } = rig();
    trigger(1);
    line.exposure(frame({ quality: { mean: 3, dark: 1, bright: 0, sharpness: 5 } }));
    await settle();
    expect(reports[0]?.verdict).toMatchObject({ code: 304, detail: 'too dark' });
  });

  test('the model throws: 403, or what the error says', async () => {
    const { line, trigger, frame, reports, model } = rig();
    model.next = () => Promise.reject(new Error('NaN in the score'));
    trigger(1);
    line.exposure(frame());
    await settle();
    model.next = () => Promise.reject(new InspectionError(Code.providerLost, 'the GPU is gone'));
    trigger(2);
    line.exposure(frame());
    await settle();
    expect(reports.map(({ verdict }) => [verdict.code, verdict.released])).toEqual([
      [403, 0],
      [401, 0],
    ]);
  });

  test('the model hangs: 402 in time; what it says afterwards is logged as late and never released', async () => {
    const { clock, publisher, line, trigger, frame, log, model } = rig();
    let answer: (findings: Findings) => void = () => undefined;
    model.next = () => new Promise((resolve) => (answer = resolve));
    trigger(1);
    line.exposure(frame());
    await clock.advance(1300);
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'refuse 1 402']);
    answer(goodFindings);
    await settle();
    expect(log.rows).toMatchObject([{ late: true, released: 0, evaluation: Evaluation.OK }]);
    expect(publisher.wire).toHaveLength(3);
  });

  test('the disk stalls: 502 in time, and an event says that the logged pass was not released', async () => {
    const { clock, publisher, line, trigger, frame, log } = rig();
    let resume: () => void = () => undefined;
    log.stalled = new Promise((resolve) => (resume = resolve));
    trigger(1);
    line.exposure(frame());
    await clock.advance(1300);
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'refuse 1 502']);
    resume();
    await settle();
    expect(log.rows).toHaveLength(1);
    expect(log.events[0]).toMatch(/^notReleased: .* seq 1: .*502/);
    expect(publisher.wire).toHaveLength(3);
  });

  test('the disk is full: 502 at once, nothing released, nothing left open', async () => {
    const { publisher, line, trigger, frame, log } = rig();
    log.failing = true;
    trigger(1);
    const shot = frame();
    line.exposure(shot);
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'refuse 1 502']);
    expect(shot.releases()).toBe(1);
    expect(line.openParts).toBe(0);
    expect(line.counts.unlogged).toBe(1);
  });

  test('what cannot be logged is told at the terminal as an ERROR, never as what it was decided to be', async () => {
    const { line, trigger, frame, log, reports } = rig();
    log.failing = true;
    trigger(1);
    line.exposure(frame());
    await settle();
    expect(reports).toMatchObject([{ ok: 0, verdict: { code: 502, evaluation: 0, state: ResultState.Failed, released: 0 } }]);
  });

  test('the limit rises while a part is inspected: the part is judged by the limit it was taken under', async () => {
    const { publisher, line, trigger, frame, log, model } = rig();
    let answer: (findings: Findings) => void = () => undefined;
    model.next = () => new Promise((resolve) => (answer = resolve));
    trigger(1);
    line.exposure(frame());
    line.use({
      ...job,
      plan: { ...job.plan, id: 2, recipe: { id: 'other', number: 7 } },
      limit: { value: 99, grey: 0, provisional: false },
    });
    answer({ ...goodFindings, score: 9 });
    await settle();
    expect(publisher.wire.at(-1)).toBe('result 1 ok 0');
    expect(log.rows).toMatchObject([{ code: 101, limit: 1.5, part: { recipe: { number: 3 } } }]);
  });

  test('the recipe changes between trigger and frame: a frame of the new plan is not judged for the old part', async () => {
    const { line, trigger, frame, reports } = rig();
    trigger(1);
    line.use({ ...job, plan: { ...job.plan, id: 2 } });
    line.exposure(frame({ planId: 2 }));
    await settle();
    expect(reports[0]?.verdict).toMatchObject({ code: 303, released: 0 });
  });

  test('the recipe is withdrawn while a part is inspected: nothing is released', async () => {
    const { publisher, line, trigger, frame, model } = rig();
    let answer: (findings: Findings) => void = () => undefined;
    model.next = () => new Promise((resolve) => (answer = resolve));
    trigger(1);
    line.exposure(frame());
    line.use(null);
    answer(goodFindings);
    await settle();
    expect(publisher.wire.at(-1)).toBe('result 1 ok 0');
  });

  test('whoever is told of a verdict throws: the part is answered once all the same, and its frame goes back once', async () => {
    const { publisher, line, trigger, frame } = rig({ badReader: true });
    trigger(1);
    const shot = frame();
    line.exposure(shot);
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 1']);
    expect(shot.releases()).toBe(1);
    expect(line.openParts).toBe(0);
  });

  test('a camera that refused an exposure may have taken it: the stream is restarted before the next part', async () => {
    const { camera, trigger } = rig();
    camera.broken = new Error('no answer');
    trigger(1);
    await settle();
    expect(camera.restarts).toBe(1);
  });

  test('a fault of before the trigger is not the exposure of this part', async () => {
    const { clock, publisher, line, trigger, frame } = rig();
    const at = clock.now() - 1;
    trigger(1);
    line.exposure({ kind: 'fault', code: Code.incompleteFrame, detail: 'half a frame', at, source: null, truth: null });
    line.exposure(frame());
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 1']);
  });

  test('the camera is lost with parts waiting: each gets 301, none hangs', async () => {
    const { publisher, line, trigger } = rig();
    trigger(1);
    trigger(2);
    line.cameraLost(Code.cameraLost, 'unplugged');
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'ack 2 0', 'result 1 ok 0', 'result 2 ok 0']);
    expect(line.openParts).toBe(0);
  });

  test('the verdict expires while it is committed: the wire says no and an event says why', async () => {
    const { clock, publisher, line, trigger, frame, log } = rig();
    publisher.ttl = 100;
    let resume: () => void = () => undefined;
    log.stalled = new Promise((resolve) => (resume = resolve));
    trigger(1);
    line.exposure(frame());
    await clock.advance(200);
    resume();
    await settle();
    expect(publisher.wire.at(-1)).toBe('result 1 ok 0');
    expect(log.events).toHaveLength(1);
  });

  test('stopping: waiting parts are closed, new triggers refused', async () => {
    const { clock, publisher, line, trigger } = rig();
    trigger(1);
    const stopped = line.stop(clock.now() + 1000);
    await settle();
    trigger(2);
    await stopped;
    expect(publisher.wire).toEqual(['ack 1 0', 'result 1 ok 0', 'ack 2 202']);
  });

  test('triggers that are bad, early or too many', () => {
    const { publisher, line, trigger, setNotReady } = rig({ maxOpen: 1 });
    line.trigger({ bad: Code.badPayload, seq: 0 });
    setNotReady(Code.cameraLost);
    trigger(1);
    setNotReady(Code.ok);
    trigger(2);
    trigger(3);
    line.use(null);
    trigger(4);
    expect(publisher.wire).toEqual(['ack 0 205', 'ack 1 301', 'ack 2 0', 'ack 3 201', 'ack 4 601']);
  });
});

test('a good part: ack, acquired, commit, result, in this order; the frame is handed on once', async () => {
  const { publisher, line, trigger, frame, log, kept, reports } = rig();
  trigger(1);
  expect(log.pending.size).toBe(1);
  const shot = frame();
  line.exposure(shot);
  await settle();
  expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 1']);
  expect(log.rows).toMatchObject([{ part: { seq: 1, partId: 'P1' }, released: 1, late: false, score: 0.9, limit: 1.5 }]);
  expect(log.pending.size).toBe(0);
  expect(kept).toHaveLength(1);
  expect(shot.releases()).toBe(1);
  expect(reports).toHaveLength(1);
});

test('the next part is exposed while the last one is inspected; each gets its own verdict', async () => {
  const { publisher, line, trigger, frame, camera, model, log } = rig();
  const answers: ((findings: Findings) => void)[] = [];
  model.next = () => new Promise((resolve) => answers.push(resolve));
  trigger(1);
  trigger(2);
  expect(camera.fired).toBe(1);
  line.exposure(frame({ frameId: 11 }));
  expect(camera.fired).toBe(2);
  line.exposure(frame({ frameId: 12 }));
  answers[1]?.({ ...goodFindings, score: 9 });
  answers[0]?.(goodFindings);
  await settle();
  expect(publisher.wire.slice(-2).sort()).toEqual(['result 1 ok 1', 'result 2 ok 0']);
  expect(log.rows.map((row) => [row.part.seq, row.frameId]).sort()).toEqual([
    [1, 11],
    [2, 12],
  ]);
});

test('a repeated trigger is answered again, with its age, and inspected once', async () => {
  const { clock, publisher, line, frame, log } = rig();
  const request = { seq: 1, partId: 'A', recipeId: 0, received: clock.now() };
  line.trigger(request);
  line.trigger(request);
  line.exposure(frame());
  await settle();
  line.trigger(request);
  await clock.advance(1600);
  line.trigger({ ...request, received: clock.now() });
  expect(publisher.wire).toEqual(['ack 1 0', 'ack 1 0', 'acquired 1', 'result 1 ok 1', 'ack 1 0', 'result 1 ok 1', 'ack 1 203']);
  expect(log.rows).toHaveLength(1);
});

test('free run: every exposure is a part with seq 0 and never released; triggers are refused', async () => {
  const { line, frame, trigger, publisher, reports } = rig({ freeRun: true });
  line.exposure(frame());
  await settle();
  trigger(1);
  expect(reports).toMatchObject([{ ok: 0, verdict: { part: { seq: 0 }, released: 0 } }]);
  expect(publisher.wire).toContain('ack 1 202');
});

test.each([Code.diskLow, Code.logUnavailable, Code.foreignRig, Code.selfTest])(
  'free run: no part is begun while the station says %i',
  async (code) => {
    const { line, frame, setNotReady, reports, log } = rig({ freeRun: true });
    setNotReady(code);
    const shown = fakeFrame();
    line.exposure(shown);
    await settle();
    expect([reports.length, log.rows.length, shown.releases()]).toEqual([0, 0, 1]);
    setNotReady(Code.notReady); // as free run is
    line.exposure(frame());
    await settle();
    expect(reports).toHaveLength(1);
  },
);
