/** `teach --live` at a real terminal: each shot is shown, kept or discarded by a key, and a discarded one is not in the recipe. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../src/control/client';
import { launcher } from '../cli/process';
import { brokers, Listener, type TestBroker, until } from '../plc/support';
import { build, configure, folder, never, pictures, type Running } from './support';

const [, make] = brokers[0] ?? [];
let data: ReturnType<typeof folder>;
let running: Running | null = null;
let broker: TestBroker;
let plc: Listener;
let terminal: ChildProcess | null = null;

beforeEach(async () => {
  data = folder();
  if (make === undefined) throw new Error('no broker');
  broker = await make();
  await broker.start();
  plc = await Listener.connect(broker.url, 'verdictd/t1');
});
afterEach(async () => {
  terminal?.kill('SIGKILL');
  await running?.stop();
  await plc.end();
  await broker.kill();
  data.remove();
});

/** A station without a recipe, and `teach --live` at a terminal. */
async function lesson(): Promise<{ type: (keys: string) => void; screen: () => string; ended: Promise<number | null> }> {
  const shown = await pictures(join(data.dir, 'pictures'), 8, 0);
  const set = { 'plc.url': broker.url, 'plc.ttl': 20_000, 'camera.kind': 'files', 'camera.files.paths': join(shown, 'good') };
  running = build(configure(set), data.dir);
  await running.station.start(never);
  const python = join(__dirname, '../cli/terminal.py');
  const args = ['teach', '--live', '--recipe', 'plate', '--shots', '3', '--by', 'ann', '--data-dir', data.dir];
  const child = spawn('python3', [python, process.execPath, launcher, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  terminal = child;
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  const ended = new Promise<number | null>((done) => child.on('close', done));
  await until('the lesson', () => screen.includes('teaching recipe plate'), 60_000);
  await until('ready', () => running?.station.current.ready === 1, 60_000);
  return { type: (keys) => child.stdin.write(keys), screen: () => screen, ended };
}

async function shot(n: number, screen: () => string): Promise<void> {
  await plc.say('trigger', JSON.stringify({ seq: n, partId: `P${n}` }));
  await until(`the question about shot ${n}`, () => screen().includes(`shot ${n}: keep or discard?`), 60_000);
}

test.each([
  ['q', 'q\r'],
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])(
  '%s gives the lesson up: nothing is taught, and nothing is left open',
  async (_, keys) => {
    const { type, screen, ended } = await lesson();
    await shot(1, screen);
    type(keys);
    expect(await ended).toBe(1);
    expect(screen()).not.toContain('may still be open');
    expect((await ask(data.dir, 'teach.status', {}, never)).value).toMatchObject({ state: 'idle' });
    expect(existsSync(join(data.dir, 'recipes', 'plate'))).toBe(false);
  },
  120_000,
);

test('d throws a shot out, Enter keeps it; the recipe is what was kept', async () => {
  const { type, screen, ended } = await lesson();
  for (let n = 1; n <= 4; n++) {
    await shot(n, screen);
    type(n === 2 ? 'd\r' : '\r');
  }
  expect(await ended).toBe(0);
  expect(screen()).toMatch(/recipe plate \(number 1\) taught and in force: limit/);
  const recipe = JSON.parse(readFileSync(join(data.dir, 'recipes', 'plate', 'recipe.json'), 'utf8')) as { shots: { source: string }[] };
  expect(recipe.shots.map(({ source }) => source)).toEqual(['live part 1', 'live part 3', 'live part 4']);
}, 120_000);
