/** The line over a whole camera driver, with a model that likes everything: by which exposure of which stream was each part judged? */

import { systemClock } from '../../src/clock';
import type { Code } from '../../src/codes';
import { Code as codes, Evaluation, ResultState } from '../../src/codes';
import { Exposures } from '../../src/line/exposures';
import { ResultIds } from '../../src/line/ids';
import { Line } from '../../src/line/line';
import type { Camera } from '../../src/ports';
import { planOf, soon } from '../contract/camera';
import { FakeLog, FakePublisher, goodFindings } from '../fakes/line';
import { quiet } from '../plc/support';

export interface Judged {
  seq: number;
  code: Code;
  /** Streams begun until then, the first is 1; and the frame's number in its own. Null: no frame. */
  stream: number;
  frameId: number | null;
}

export function lineOver(camera: Camera) {
  const plan = planOf();
  const exposures = new Exposures(camera, systemClock, quiet);
  const judged: Judged[] = [];
  const lost: string[] = [];
  let streams = 0;
  const line = new Line(
    { freeRun: false, ttl: 8000, margin: 200, maxOpen: 2, config: 'c', lot: '' },
    {
      clock: systemClock,
      exposures,
      inspector: { inspect: () => Promise.resolve(goodFindings) },
      log: new FakeLog(),
      publisher: new FakePublisher(() => systemClock.now()),
      judge: (outcome) =>
        outcome.kind === 'fault'
          ? { evaluation: Evaluation.Undefined, code: outcome.code, state: ResultState.Failed, released: 0, detail: outcome.detail }
          : { evaluation: Evaluation.OK, code: codes.ok, state: ResultState.Completed, released: 1, detail: '' },
      ids: new ResultIds(1),
      diagnostics: quiet,
      notReady: () => (exposures.connected ? codes.ok : codes.cameraLost),
      evidence: (_report, frame) => frame.release(),
      report: ({ verdict: { part, code, frameId } }) => judged.push({ seq: part.seq, code, stream: streams, frameId }),
    },
    0,
  );
  line.use({
    plan,
    bundle: 'b'.repeat(64),
    simulated: false,
    limit: { value: 1.5, grey: 0, provisional: false },
    gate: () => null,
    provider: () => 'cpu',
  });
  const come = async (what: () => boolean): Promise<void> => {
    for (const end = Date.now() + 20_000; !what(); ) {
      if (Date.now() > end)
        throw new Error(`it never came; judged so far: ${JSON.stringify(judged)}; the camera was lost: ${lost.at(-1) ?? 'never'}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  exposures.start(plan, {
    exposure: (shot) => line.exposure(shot),
    up: () => streams++,
    lost: (code, detail) => {
      lost.push(detail);
      line.cameraLost(code, detail);
    },
    ended: () => undefined,
    failed: () => undefined,
  });
  let seq = 0;
  return {
    line,
    /** The next part, as soon as the camera is up. */
    async part(): Promise<Judged> {
      await come(() => exposures.connected);
      const mine = ++seq;
      line.trigger({ seq: mine, partId: `P${mine}`, recipeId: 0, received: systemClock.now() });
      await come(() => judged.some((one) => one.seq === mine));
      return judged.find((one) => one.seq === mine) as Judged;
    },
    async stop(): Promise<void> {
      await line.stop(soon());
      await exposures.stop(soon());
    },
  };
}
