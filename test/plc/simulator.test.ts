import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { Code } from '../../src/codes';
import { packageRoot } from '../../src/package';
import type { Decision } from '../../src/plc/acceptance';
import type { MqttLink } from '../../src/plc/link';
import { SimulatedPlc, type SimulatorOptions } from '../../src/plc/simulator';
import { base, brokers, committed, Listener, makeLink, makeVerdict, never, operational, soon, type TestBroker, until } from './support';

let broker: TestBroker;
const cleanup: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  const [first] = brokers;
  if (first === undefined) throw new Error('no broker');
  broker = await first[1]();
  await broker.start();
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
  await broker.kill();
});

/** A station that finds every part good at once, by the real link. */
async function station(
  behave: { lastSeq?: number; simulated?: boolean; silent?: boolean; progress?: () => boolean } = {},
): Promise<{ link: MqttLink; seqs: number[] }> {
  const seqs: number[] = [];
  const { link } = makeLink(broker.url, { heartbeat: 50 }, { lastSeq: () => seqs.at(-1) ?? behave.lastSeq ?? 0 });
  cleanup.push(() => link.stop(soon()));
  link.progress(behave.progress ?? (() => true));
  link.onTrigger((request) => {
    if ('bad' in request) {
      link.ack(request.seq, request.bad);
      return;
    }
    seqs.push(request.seq);
    link.ack(request.seq, Code.ok);
    link.acquired(request.seq);
    if (behave.silent) return;
    const part = { seq: request.seq, partId: request.partId, opened: request.received, simulated: behave.simulated ?? false };
    link.result(committed(makeVerdict({}, part)));
  });
  link.state(operational);
  await link.start(never);
  await until('up', () => link.connected());
  return { link, seqs };
}

// The machine that runs tests may stall: the rule is what is shown here, not the speed.
const patient = { tAck: 3_000, tResult: 3_000, heartbeat: 1_000 };
function plc(options: Partial<SimulatorOptions> = {}): { sim: SimulatedPlc; decisions: Decision[] } {
  const decisions: Decision[] = [];
  const sim = new SimulatedPlc({ url: broker.url, base, period: 150, lastSeq: 0, rule: patient, ...options }, systemClock, {
    decided: (decision) => decisions.push(decision),
  });
  cleanup.push(() => sim.stop());
  sim.start();
  return { sim, decisions };
}

test('a silent station: no trigger; a station that never answers: every part rejected', async () => {
  const { sim } = plc();
  await until('some periods', () => sim.counts.notReady > 5);
  expect(sim.counts.triggers).toBe(0);
  await station({ silent: true });
  sim.stop().catch(() => undefined);
  const { sim: second } = plc({ rule: { ...patient, tResult: 300 } });
  await until('rejects', () => second.counts.rejected.noResult > 3);
  expect(second.counts.accepted).toBe(0);
});

test('a simulated camera opens no gate', async () => {
  await station({ simulated: true });
  const { sim, decisions } = plc();
  await until('rejects', () => sim.counts.rejected.notOk > 5);
  expect(sim.counts.accepted).toBe(0);
  expect(decisions[0]).toMatchObject({ gate: 'reject', reason: 'notOk', code: Code.simulated });
});

test('a station whose heartbeat stands still gets no trigger', async () => {
  let progress = true;
  await station({ progress: () => progress });
  const { sim } = plc({ rule: { ...patient, heartbeat: 100 } });
  await until('accepted', () => sim.counts.accepted > 3);
  progress = false;
  await until('no more triggers', () => sim.counts.notReady > 5);
  const { triggers } = sim.counts;
  const before = sim.counts.notReady;
  await until('still none', () => sim.counts.notReady > before + 5);
  expect(sim.counts.triggers).toBe(triggers);
});

test.each(['json', 'plain', 'csv'] as const)('good parts open the gate: trigger as %s, result as JSON and CSV', async (form) => {
  const { seqs } = await station();
  const { sim, decisions } = plc({ form, csvResult: form !== 'json', recipeId: 3, lastSeq: 2147483645, heartbeat: true });
  await until('accepted', () => sim.counts.accepted >= 6);
  expect(seqs.slice(0, 4)).toEqual([2147483646, 2147483647, 1, 2]); // across the wrap
  expect(decisions.slice(0, 6)).toEqual(seqs.slice(0, 6).map((seq) => ({ seq, gate: 'open' })));
});

test('another recipe than the one expected: rejected', async () => {
  await station();
  const { sim } = plc({ recipeId: 4 });
  await until('rejects', () => sim.counts.rejected.wrongRecipe > 2);
  expect(sim.counts.accepted).toBe(0);
});

test('cold start: after one TTL, continues at lastSeq + 1 of the heartbeat', async () => {
  const { seqs } = await station({ lastSeq: 500 });
  const cold = new SimulatedPlc({ url: broker.url, base, period: 150, rule: { ...patient, tResult: 400 } }, systemClock);
  cleanup.push(() => cold.stop());
  cold.start();
  const began = systemClock.now();
  await until('parts', () => cold.counts.accepted > 2);
  expect(systemClock.now() - began).toBeGreaterThanOrEqual(400);
  expect(seqs[0]).toBe(501);
});

test('broker gone and back: parts in between are never accepted, then the line goes on', async () => {
  const { seqs } = await station();
  const { sim } = plc({ rule: { ...patient, tAck: 500, tResult: 500 } });
  await until('accepted', () => sim.counts.accepted > 3);
  await broker.kill();
  const { accepted } = sim.counts;
  await until('waiting', () => sim.counts.notReady > 4);
  expect(sim.counts.accepted - accepted).toBeLessThanOrEqual(1); // one may have been on its way into the socket buffer
  await broker.start();
  await until('on again', () => sim.counts.accepted > accepted + 3);
  expect(new Set(seqs).size).toBe(seqs.length); // no trigger came twice
});

test('a station killed by SIGKILL: the will says 0, and no verdict follows', async () => {
  const listener = await Listener.connect(broker.url, base);
  cleanup.push(() => listener.end());
  const program = `
    const { MqttLink } = require(${JSON.stringify(join(packageRoot, 'dist/plc/link.js'))});
    const { systemClock } = require(${JSON.stringify(join(packageRoot, 'dist/clock.js'))});
    const { createDiagnostics } = require(${JSON.stringify(join(packageRoot, 'dist/diagnostics.js'))});
    const link = new MqttLink(
      { url: ${JSON.stringify(broker.url)}, station: 't1', base: ${JSON.stringify(base)}, ttl: 1500, heartbeat: 50, acceptSimulated: false, triggerMode: 'software', maxOpen: 4 },
      { clock: systemClock, diagnostics: createDiagnostics('silent'), outbox: { backlog: async () => [], delivered: async () => undefined }, lastSeq: () => 0 },
    );
    link.progress(() => true);
    void link.start(new AbortController().signal);
  `;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'inherit'] });
  await until('online', () => listener.of('online').at(-1) === '1');
  child.kill('SIGKILL');
  await until('the will', () => listener.of('online').at(-1) === '0');
  const beats = listener.of('heartbeat').length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(listener.of('heartbeat')).toHaveLength(beats);
});
