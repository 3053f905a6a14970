import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { verifyLog } from '../../src/store/verify';
import { clean, dataDir, query, start, stop } from './support/station';

afterAll(clean);

/** Short form; the release runs it with VERDICTD_KILLS=500. */
const kills = Number(process.env.VERDICTD_KILLS ?? 20);

/** Runs a log in its own process and kills it after `delay` ms, from its start or from its first verdict. Whole lines it printed. */
async function run(dir: string, delay: number, afterFirst: boolean): Promise<string[]> {
  const child: ChildProcess = spawn(process.execPath, [join(__dirname, 'support', 'child.cjs'), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { stdout } = child;
  if (stdout === null) throw new Error('no pipe');
  const lines: string[] = [];
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const kill = (): void => void setTimeout(() => child.kill('SIGKILL'), delay);
  if (!afterFirst) kill();
  for await (const line of createInterface({ input: stdout })) {
    if (afterFirst && line.startsWith('commit') && !lines.some((one) => one.startsWith('commit'))) kill();
    lines.push(line);
  }
  await closed;
  // a line cut off by the kill was not said
  return lines.filter((line) => /^(start \d+ \d+|open \d+|commit \S{14} \d+ [0-9a-f]{64}|notice .*)$/.test(line));
}

test(`${kills} SIGKILLs: nothing acknowledged is lost, changed or doubled; the chain holds`, async () => {
  const dir = dataDir();
  const acknowledged = new Map<string, { journalSeq: number; hash: string }>();
  let opened = 0;
  let aborted = 0;
  for (let i = 0; i < kills; i++) {
    const lines = await run(dir, Math.random() * (i % 4 === 3 ? 400 : 120), i % 4 !== 3); // every fourth may die while it starts
    for (const line of lines) {
      const [what, a = '', b = '', c = ''] = line.split(' ');
      if (what === 'notice') throw new Error(line);
      if (what === 'open') opened = Number(a);
      if (what === 'commit') acknowledged.set(a, { journalSeq: Number(b), hash: c });
      if (what === 'start') {
        expect(Number(a)).toBeGreaterThanOrEqual(opened); // a number that was opened counts as used
        aborted += Number(b);
      }
    }
  }
  expect(acknowledged.size).toBeGreaterThan(kills / 2);

  const { log, started, notices } = await start(dir);
  expect(notices).toEqual([]);
  expect(started.lastSeq).toBeGreaterThanOrEqual(opened);
  await stop(log);
  const rows = query<{ id: string; journalSeq: number; hash: string }>(
    dir,
    'SELECT result_id AS id, journal_seq AS journalSeq, lower(hex(hash)) AS hash FROM inspections',
  );
  const found = new Map(rows.map(({ id, journalSeq, hash }) => [id, { journalSeq, hash }]));
  for (const [id, place] of acknowledged) expect(found.get(id)).toEqual(place);
  expect(query(dir, 'SELECT seq FROM inspections GROUP BY seq HAVING count(*) > 1')).toEqual([]);
  expect(query(dir, 'SELECT * FROM pending')).toEqual([]);
  const verified = await verifyLog(join(dir, 'log.db'));
  expect(verified).toMatchObject({ ok: true, firstBad: null });
  console.log(
    `${kills} kills: ${acknowledged.size} acknowledged, 0 lost; ${rows.length - acknowledged.size - aborted - started.aborted} committed but unacknowledged, ${aborted + started.aborted} closed as Aborted, ${verified.rows} records in one chain`,
  );
}, 1_000_000);
