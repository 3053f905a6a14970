import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MasterCheck, type Outcome, type Shown } from '../../src/station/master';
import type { Kept } from '../../src/station/recipes';
import { FakeClock } from '../fakes/clock';
import { quiet } from '../plc/support';
import { folder } from './support';

test('a check that two doors end at once is decided once', async () => {
  const data = folder();
  mkdirSync(join(data.dir, 'recipes', 'cast'), { recursive: true });
  const events: string[] = [];
  const check = new MasterCheck({
    ...{ config: { at: [], early: 0, shifts: [], weekdays: [] } as never, dataDir: data.dir, clock: new FakeClock(), diagnostics: quiet },
    ...{ bootId: () => '1', openParts: () => 0, use: () => undefined, changed: () => undefined },
    event: async (kind) => {
      events.push(kind);
      await new Promise((done) => setTimeout(done, 5));
    },
  });
  await check.inForce({ recipe: { file: { id: 'cast', revision: 1 } }, job: {} } as unknown as Kept, false);
  const shown: Shown = { partId: 'M', expect: 'good', found: 'good', resultId: 'R1', score: 0, words: '' };
  (check as unknown as { parts: Shown[] | null }).parts = [shown];
  const ends = await Promise.allSettled([check.end(), check.end()]);
  check.stop();
  data.remove();
  expect(events).toEqual(['masterPassed']);
  expect((ends[0] as PromiseFulfilledResult<Outcome>).value.ok).toBe(true);
  expect(ends[1]).toMatchObject({ status: 'rejected', reason: { code: 'RECIPE_REFUSED' } });
});
