/** Alarms come and go with their facts, whatever the state says that stands before them. */
import { brokers, Listener, type TestBroker, until } from '../plc/support';
import { build, configure, folder, never, pictures, type Running } from './support';

const [, make] = brokers[0] ?? [];
let data: ReturnType<typeof folder>;
let broker: TestBroker;
let plc: Listener;
let running: Running | null = null;

beforeAll(async () => {
  data = folder();
  if (make === undefined) throw new Error('no broker');
  broker = await make();
  await broker.start();
  plc = await Listener.connect(broker.url, 'verdictd/t1');
});
afterAll(async () => {
  await running?.stop();
  await plc.end();
  await broker.kill();
  data.remove();
});

test('a PLC that falls silent while there is no recipe: the state says 601 all along, alarm 703 is set and cleared', async () => {
  const shown = await pictures(data.dir, 1, 0);
  running = build(configure({ 'plc.url': broker.url, 'camera.kind': 'files', 'camera.files.paths': shown }), data.dir);
  const { station } = running;
  await station.start(never);
  await until('no recipe', () => station.current.code === 601);
  await until('connected', () => plc.of('state').length > 0);
  await plc.say('plc/heartbeat', '1');
  await until('the alarm', () => plc.of('alarm/703').at(-1)?.includes('"code":703') ?? false);
  expect(station.current.code).toBe(601);
  await plc.say('plc/heartbeat', '2');
  await until('its end', () => plc.of('alarm/703').at(-1) === '');
  expect(station.current.code).toBe(601);
});
