/** What the wire says of a station while it starts, on a broker that remembers an earlier run. */
import { systemClock } from '../../src/clock';
import { EmbeddedBroker } from '../../src/plc/broker';
import { freePort, Listener, quiet } from '../plc/support';
import { build, configure, folder, never, until } from './support';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (let one = undo.pop(); one !== undefined; one = undo.pop()) await one();
});

test('`state` of a run that was killed does not outlive the first connection of the next, however long its start takes', async () => {
  const data = folder();
  undo.push(data.remove);
  const port = await freePort();
  const url = `mqtt://127.0.0.1:${port}`;
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port }, systemClock, quiet);
  await broker.start(never);
  undo.push(() => broker.stop(systemClock.now() + 1_000));
  const plc = await Listener.connect(url, 'verdictd/t1');
  undo.push(() => plc.end());
  await plc.say('state', '{"v":1,"state":"Operational","sub":"Ready","ready":1}', true);

  // Teaching asks for more parts than it gets here: the start goes on until it is stopped.
  const teach = { 'recipe.teach.auto': true, 'recipe.teach.shots': 256, 'recipe.teach.heldOut': 10_000 };
  const { station, stop } = build(configure({ ...teach, 'plc.url': url }), data.dir);
  undo.push(stop);
  const abort = new AbortController();
  const starting = station.start(abort.signal).catch(() => undefined);
  undo.push(() => {
    abort.abort();
    return starting;
  });
  const last = () => JSON.parse(plc.of('state').at(-1) ?? '{}') as { state?: string; ready?: number };
  await until('a state of its own', () => last().state === 'Preoperational', 8_000);
  expect(last()).toMatchObject({ ready: 0, code: 202 });
});
