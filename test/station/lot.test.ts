import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Calls } from '../../src/control/calls';
import { chooseLot, Lot } from '../../src/station/lot';
import { keptDiagnostics, quiet } from '../plc/support';
import { clean, dataDir, query, start, stop } from '../store/support/station';

afterAll(clean);

const never = new AbortController().signal;

test('a choice that cannot be read is no lot, and is told', async () => {
  const dir = dataDir();
  const { log } = await start(dir);
  for (const text of ['', '{"lot":"a b"}', '{"lot":7}', '{"lot":"A","more":1}']) {
    writeFileSync(join(dir, 'lot.json'), text);
    const { diagnostics, lines } = keptDiagnostics();
    const lot = new Lot(dir, 'L1', log);
    await lot.start(diagnostics);
    expect([lot.current, lines[0]?.level]).toEqual(['', 50]);
  }
  await stop(log);
});

test('a name that is none is refused, and changes nothing', async () => {
  const dir = dataDir();
  const { log } = await start(dir);
  const lot = new Lot(dir, 'L1', log);
  await lot.start(quiet);
  const calls = new Calls();
  lot.serve(calls);
  for (const args of [{}, { lot: 'a b', by: 'anna' }, { lot: 'A'.repeat(33), by: 'anna' }, { lot: 'A' }, { lot: 'A', by: '' }]) {
    await expect(calls.run('lot.set', args, never)).rejects.toMatchObject({ code: 'USAGE' });
  }
  expect(lot.current).toBe('L1');
  expect(query(dir, 'SELECT * FROM audit')).toEqual([]);
  await stop(log);
});

test('chosen while the station runs, or while it does not: in force, and who chose it is on record', async () => {
  const dir = dataDir();
  const { log } = await start(dir);
  const running = async (): Promise<Lot> => {
    const lot = new Lot(dir, 'L1', log);
    await lot.start(quiet);
    return lot;
  };
  const lot = await running();
  const calls = new Calls();
  lot.serve(calls);
  expect(lot.current).toBe('L1');
  expect(await calls.run('lot.set', { lot: 'L2', by: 'anna' }, never)).toEqual({ lot: 'L2' });
  expect([lot.current, (await running()).current]).toEqual(['L2', 'L2']);
  await chooseLot({ dataDir: dir, log }, { lot: '', by: 'ben' });
  expect((await running()).current).toBe('');
  await chooseLot({ dataDir: dir, log }, { lot: null, by: 'ben' });
  expect((await running()).current).toBe('L1');
  expect(JSON.parse(readFileSync(join(dir, 'lot.json'), 'utf8'))).toEqual({ lot: null });
  expect(query(dir, "SELECT actor FROM audit WHERE action = 'lot' ORDER BY id")).toEqual([
    { actor: 'anna' },
    { actor: 'ben' },
    { actor: 'ben' },
  ]);
  expect(query(dir, "SELECT detail FROM events WHERE kind = 'lot' ORDER BY journal_seq")).toEqual([
    { detail: 'lot L2' },
    { detail: 'lot (none)' },
    { detail: 'as configured' },
  ]);
  await stop(log);
});
