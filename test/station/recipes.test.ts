/** The running station, whole: recipes switched by command, taught on the line, and the check with master parts, over a real broker. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ask } from '../../src/control/client';
import { launcher, start } from '../cli/process';
import { brokers, Listener, type TestBroker, until } from '../plc/support';
import { build, configure, folder, never, pictures, type Running } from './support';

const base = 'verdictd/t1';
const [, make] = brokers[0] ?? [];

let data: ReturnType<typeof folder>;
let running: Running | null;
let broker: TestBroker;
let plc: Listener;
let lastId = 0;
let seq = 0;

beforeEach(async () => {
  data = folder();
  running = null;
  if (make === undefined) throw new Error('no broker');
  broker = await make();
  await broker.start();
  plc = await Listener.connect(broker.url, base);
  seq = 0;
});
afterEach(async () => {
  await running?.stop();
  await plc.end();
  await broker.kill();
  data.remove();
});

const call = async <T>(name: string, args: Record<string, unknown> = {}) => (await ask(data.dir, name, args, never)).value as T;
const results = () => plc.of('result').map((text) => JSON.parse(text) as Record<string, number | string>);

async function command(cmd: number, arg = ''): Promise<{ ok: number; code: number }> {
  const id = ++lastId;
  await plc.say('cmd', JSON.stringify({ id, cmd, arg }));
  const mine = () => plc.of('cmd/rsp').map((text) => JSON.parse(text) as { id: number; ok: number; code: number });
  await until(`command ${cmd}`, () => mine().some((one) => one.id === id), 30_000);
  return mine().find((one) => one.id === id) as { ok: number; code: number };
}

/** What the log's audit says was done. */
function audited(): string[] {
  const db = new Database(join(data.dir, 'log.db'), { readonly: true });
  const actions = db.prepare('SELECT action FROM audit ORDER BY id').pluck().all() as string[];
  db.close();
  return actions;
}

/** One part; resolves with its result, or its refusal. */
async function part(more: { recipeId?: number; partId?: string } = {}): Promise<Record<string, number | string>> {
  const mine = ++seq;
  await plc.say('trigger', JSON.stringify({ seq: mine, partId: `P${mine}`, ...more }));
  const acks = () => plc.of('ack').map((text) => JSON.parse(text) as Record<string, number>);
  const refusal = () => acks().find((ack) => ack.seq === mine && ack.ack === 0);
  const result = () => results().find((one) => one.seq === mine);
  await until(`an answer to ${mine}`, () => refusal() !== undefined || result() !== undefined);
  return refusal() ?? result() ?? {};
}

async function up(set: Record<string, string | number | boolean>): Promise<Running> {
  const all = { 'plc.url': broker.url, 'plc.ttl': 20_000, 'plc.acceptSimulated': true, 'recipe.acceptProvisional': true };
  running = build(configure({ ...all, 'camera.kind': 'files', 'camera.files.loop': true, ...set }), data.dir);
  await running.station.start(never);
  while (!(await call<{ broker: boolean }>('status')).broker) await new Promise((done) => setTimeout(done, 20));
  return running;
}

/** Teaches from the line: as many parts as are asked for, whatever is left out on the way. */
async function taught(id: string, shots: number, heldOut: number): Promise<void> {
  expect(await command(20, `${id}:${shots}:${heldOut}`)).toMatchObject({ ok: 1 });
  await until('ready', () => running?.station.current.ready === 1);
  for (let shown = 0; shown < 60; shown++) {
    if ((await call<{ state: string }>('teach.status')).state === 'complete') break;
    expect(await part()).toMatchObject({ ok: 0, resultEvaluationCode: 606, resultEvaluation: 0 });
  }
  expect(await command(21)).toMatchObject({ ok: 1 });
}

test('a station without a recipe: what cannot be done is refused, then it is taught on the line, shot by shot, and judges', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 12, 0);
  const { station } = await up({ 'camera.files.paths': join(shown, 'good') });
  expect(station.current).toMatchObject({ ready: 0, code: 601 });
  expect(await command(2, '1')).toMatchObject({ ok: 0, code: 601 });
  expect(await command(21)).toMatchObject({ ok: 0 });
  expect(await command(22)).toMatchObject({ ok: 0 });
  expect(await command(30)).toMatchObject({ ok: 0, code: 601 });
  expect(await command(20, 'plate:0:0')).toMatchObject({ ok: 0 });
  expect(await command(20, 'Not-a-slug:4')).toMatchObject({ ok: 0, code: 205 });

  expect(await command(20, 'plate:4:3')).toMatchObject({ ok: 1 });
  expect(await command(20, 'other:4')).toMatchObject({ ok: 0 });
  expect(await command(2, '1')).toMatchObject({ ok: 0 });
  await until('ready', () => station.current.ready === 1);
  expect(await command(21)).toMatchObject({ ok: 0 }); // no shots yet
  expect(audited()).toEqual([]); // nothing was done: nothing is audited
  expect(await part({ recipeId: 7 })).toMatchObject({ ack: 0, code: 204 });
  for (let i = 0; i < 2; i++) expect(await part()).toMatchObject({ ok: 0, resultEvaluationCode: 606, resultEvaluation: 0, score: 65535 });
  await expect(call('teach.discard', { n: 9 })).rejects.toMatchObject({ code: 'TEACH_REFUSED' });
  await until('two shots', () => running?.reports.length === 2);
  const after = await call<{ taken: number; seen: { kept: boolean }[] }>('teach.discard', { n: 1 });
  expect(after).toMatchObject({
    taken: 1,
    seen: [
      { n: 1, kept: false },
      { n: 2, kept: true },
    ],
  });
  for (let i = 0; i < 6; i++) await part();
  expect(await call('teach.status')).toMatchObject({ state: 'complete', taken: 7 });
  expect(await command(21)).toMatchObject({ ok: 1, code: 0 });
  expect(station.current).toMatchObject({ ready: 1, recipeId: 1 });
  await until('the wire says so', () => plc.of('state').at(-1)?.includes('"recipeId":1') ?? false);
  expect(await part({ recipeId: 1 })).toMatchObject({ recipeId: 1, resultState: 1 });
  expect(await part({ recipeId: 2 })).toMatchObject({ ack: 0, code: 204 });
});

test('teach --live by hand: options it would pass over are refused; a lesson that is broken off is over', async () => {
  const teach = (...more: string[]) => start(launcher, ['teach', '--live', '--recipe', 'plate', '--data-dir', data.dir, ...more]);
  const refused = await teach('--grey', '0.1').ended;
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('does not take --grey') });
  const shown = await pictures(join(data.dir, 'pictures'), 4, 0);
  await up({ 'camera.files.paths': join(shown, 'good') });
  const lesson = teach('--shots', '4');
  await lesson.said('teaching recipe plate');
  expect(await call('teach.status')).toMatchObject({ state: 'collecting', recipe: 'plate' });
  lesson.child.kill('SIGINT');
  const ended = await lesson.ended;
  expect(ended.code).toBe(1);
  expect(ended.stderr).not.toContain('may still be open');
  expect(await call('teach.status')).toMatchObject({ state: 'idle' });
});

test('recipes switch by command between parts, and what is taken out of force is', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 14, 0);
  const { station, reports } = await up({ 'camera.files.paths': join(shown, 'good'), 'recipe.keep': 2 });
  await taught('plate', 4, 4);
  await taught('other', 4, 4);
  expect(station.current.recipeId).toBe(2);
  expect(await call('recipe.ready')).toEqual({ ready: ['plate', 'other'] });
  expect(await command(2, '9')).toMatchObject({ ok: 0, code: 601 });
  expect(station.current.recipeId).toBe(2);

  expect(await command(2, '1')).toMatchObject({ ok: 1 });
  expect(station.current.recipeId).toBe(1);
  expect(await part({ recipeId: 2 })).toMatchObject({ ack: 0, code: 204 });
  expect(await part({ recipeId: 1 })).toMatchObject({ recipeId: 1, resultState: 1 });
  const { score: first } = reports.at(-1)?.verdict ?? {};
  expect(first).toBeGreaterThan(0);

  expect(await command(3, '2')).toMatchObject({ ok: 1 });
  expect(await call('recipe.ready')).toEqual({ ready: ['plate'] });
  expect(await command(3, '1')).toMatchObject({ ok: 1 });
  expect(station.current).toMatchObject({ ready: 0, code: 601, recipeId: 0 });
  expect(await part()).toMatchObject({ ack: 0, code: 601 });
  expect(await command(2, '2')).toMatchObject({ ok: 1 });
  expect(station.current).toMatchObject({ ready: 1, recipeId: 2 });
});

test('master parts: nothing passes before a check has; a bad one judged good, or not shown, locks the station', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 14, 1);
  const { station } = await up({ 'camera.files.paths': join(shown, 'good'), 'master.at': 'recipeChange' });
  await taught('plate', 4, 4);
  expect(station.current).toMatchObject({ ready: 0, code: 602 });
  expect(await part()).toMatchObject({ ack: 0, code: 602 });
  expect(await command(30)).toMatchObject({ ok: 0, code: 601 }); // there are no master parts
  const add = (partId: string, expect: string) => call('master.add', { recipe: 'plate', partId, expect, by: 'test' });
  await add('M-GOOD', 'good');
  await expect(add('not a part', 'good')).rejects.toMatchObject({ code: 'USAGE' });
  expect(await command(30)).toMatchObject({ ok: 0 }); // none that is bad
  await add('M-BAD', 'bad');
  expect(await command(30)).toMatchObject({ ok: 1 });
  await until('ready', () => station.current.ready === 1);
  expect(await part({ partId: 'M-GOOD' })).toMatchObject({ ok: 0, resultEvaluationCode: 606, resultState: 1 });
  expect(await command(2, '1')).toMatchObject({ ok: 0 }); // not in the middle of a check
  expect(await command(31)).toMatchObject({ ok: 0, code: 602 });
  expect(station.current).toMatchObject({ ready: 0, code: 602 });
  await until('the event', () => plc.of('journal').some((text) => text.includes('masterFailed') && text.includes('M-BAD was not shown')));

  // The files show good parts alone: what is expected bad must be one that is, or the check fails again.
  await add('M-BAD', 'good');
  await add('M-WORSE', 'bad');
  expect(await command(30)).toMatchObject({ ok: 1 });
  for (const partId of ['M-GOOD', 'M-BAD', 'M-WORSE']) await part({ partId });
  const outcome = await call<{ ok: boolean; reasons: string[] }>('master.end');
  expect(outcome).toMatchObject({ ok: false, doubtful: { after: null } });
  expect(outcome.reasons.join()).toContain('M-WORSE is bad and was judged good');
  expect(station.current.code).toBe(602);

  // After a restart it is still due; with one good part and one that is bad it passes, and so does the next good part.
  await running?.stop();
  const parts = `${join(shown, 'good', '003.png')},${join(shown, 'test', 'gouge', '500.png')}`;
  const again = await up({ 'camera.files.paths': parts, 'master.at': 'recipeChange' });
  expect(again.station.current).toMatchObject({ ready: 0, code: 602 });
  await add('M-BAD', 'bad');
  await add('M-WORSE', 'good');
  expect(await command(30)).toMatchObject({ ok: 1 });
  await until('ready', () => again.station.current.ready === 1);
  for (const partId of ['M-GOOD', 'M-BAD', 'M-WORSE']) expect(await part({ partId })).toMatchObject({ ok: 0, resultEvaluationCode: 606 });
  expect(await part({ partId: 'M-GOOD' })).toMatchObject({ ok: 0, resultEvaluation: 2 }); // its first judgement stands
  expect(await command(31)).toMatchObject({ ok: 1 });
  expect(again.station.current).toMatchObject({ ready: 1, code: 0 });
  expect(await part()).toMatchObject({ ok: 1, resultEvaluation: 1 });
  await until('the event', () => plc.of('journal').some((text) => text.includes('masterPassed')));
});

test('the wrong part: one that another recipe kept ready knows better gets 307; the recipe follows only where that is wanted and none was named', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 12, 0);
  const stranger = await pictures(join(data.dir, 'stranger'), 12, 0, 5);
  const first = await up({ 'camera.files.paths': join(shown, 'good') });
  await taught('plate', 4, 4);
  await first.stop();
  const second = await up({ 'camera.files.paths': join(stranger, 'good') });
  await taught('stranger', 4, 4);
  expect(await part()).toMatchObject({ recipeId: 2, resultState: 1 });
  await command(2, '1');
  expect(await part({ recipeId: 1 })).toMatchObject({ ok: 0, recipeId: 1, resultEvaluationCode: 307, resultEvaluation: 0, resultState: 4 });
  expect(await part()).toMatchObject({ ok: 0, resultEvaluationCode: 307 });
  expect(second.station.current.recipeId).toBe(1);
  await second.stop();

  const third = await up({ 'camera.files.paths': join(stranger, 'good'), 'recipe.wrongPart': 'switch' });
  await until('ready', () => third.station.current.ready === 1);
  expect(await part({ recipeId: 1 })).toMatchObject({ ok: 0, resultEvaluationCode: 307 });
  expect(third.station.current.recipeId).toBe(1);
  expect(await part()).toMatchObject({ ok: 0, recipeId: 1, resultEvaluationCode: 307 });
  await until('the recipe follows', () => third.station.current.recipeId === 2);
  expect(await part()).toMatchObject({ recipeId: 2, resultState: 1 });
});

test('a failed self-test (404) stands until the canary clears it: no recipe put in force, no lesson begun or ended, lets a part pass', async () => {
  const shown = await pictures(join(data.dir, 'pictures'), 12, 0);
  const { station } = await up({ 'camera.files.paths': join(shown, 'good') });
  await taught('plate', 4, 4);
  await taught('other', 4, 4);
  const { judging, life } = station as unknown as {
    judging: { inspector: { engine: { golden: { data: Float32Array } } } };
    life: { canary: { last: { inference: number } } };
  };
  const sing = (): void => {
    life.canary.last.inference = -Infinity; // as after a long time without a part
  };
  const { data: picture } = judging.inspector.engine.golden;
  const sound = picture.slice();
  picture.fill(0.9);
  sing();
  await until('the canary finds it', () => station.current.code === 404);
  expect(station.current.ready).toBe(0);
  await until('the alarm', () => plc.of('alarm/404').at(-1)?.includes('"code":404') ?? false);

  expect(await command(2, '1')).toMatchObject({ ok: 1 }); // kept ready
  expect(station.current).toMatchObject({ ready: 0, code: 404 });
  expect(await command(20, 'third:4:4')).toMatchObject({ ok: 1 });
  expect(station.current).toMatchObject({ ready: 0, code: 404 });
  expect(await command(21)).toMatchObject({ ok: 0 });
  expect(await command(22)).toMatchObject({ ok: 1 });
  expect(await command(3, '2')).toMatchObject({ ok: 1 });
  expect(await command(2, '2')).toMatchObject({ ok: 0 }); // loaded anew: it has no score from before to be held against
  expect(await part()).toMatchObject({ ack: 0, code: 404 });

  picture.set(sound);
  await until('the canary clears it', () => station.current.ready === 1);
  expect(await command(2, '2')).toMatchObject({ ok: 1 });
  expect(await part()).toMatchObject({ recipeId: 2, resultState: 1 });
});
