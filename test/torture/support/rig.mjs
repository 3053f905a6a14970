// A station with a camera that counts as real (the fake Spinnaker library), so that its parts may open a gate without any switch for
// commissioning; taught over MQTT, as on a rig.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { library, tell } from '../../soak/fake.mjs';
import { makeBundle } from './bundle.mjs';
import { within } from './processes.mjs';
import { root } from './station.mjs';

export const noCamera = existsSync(library) ? null : 'the fake camera library is not built: npm run build:fake';
const shots = 8;
const speed = 10; // of the camera's clock

const script = (frames) => [`frames = ${frames}`, 'init-ms = 2', 'begin-ms = 1', 'command-ms = 1', 'real-stamps = on', `scale ${speed}`];

/** A station, its recipe taught, stopped. `camera(command)` speaks to its camera while it runs; `frames` is the camera's own log. */
export async function makeRig(ctx, { broker, url = broker.url, set = {}, wrapper = [] }) {
  const at = (name) => join(ctx.dir, name);
  const parts = ['--parts', '16', '--defect-rate', '0', '--width', '128', '--height', '64'];
  const made = spawnSync(process.execPath, [join(root, 'test/fake-spinnaker/frames.mjs'), at('frames'), ...parts], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  writeFileSync(at('camera.script'), `${script(at('frames')).join('\n')}\n`);
  const station = ctx.station({
    url,
    wrapper,
    set: {
      'bundle.path': makeBundle(at('bundle')),
      'camera.kind': 'spinnaker',
      'camera.spinnaker.library': library,
      'camera.spinnaker.ExposureTime': 100,
      'recipe.teach.auto': false,
      'quality.meanTolerance': 1,
      'plc.acceptSimulated': false,
      ...set,
    },
    env: {
      VERDICTD_FAKE_SPINNAKER: at('camera.script'),
      VERDICTD_FAKE_SPINNAKER_CONTROL: at('camera'),
      VERDICTD_FAKE_SPINNAKER_LOG: at('camera.log'),
    },
  });
  delete station.set['recipe.active'];
  await teach(
    await ctx.client({ url: broker.url, base: station.base, topics: ['cmd/rsp', 'state', 'ack', 'result'], keep: true }),
    station,
  );
  station.set['recipe.active'] = 'plate';
  return { station, frames: at('camera.log'), camera: (line) => tell(at('camera'), line), scale: { "camera's clock": speed } };
}

async function teach(client, station) {
  station.start();
  let seen = null;
  let id = 0;
  const command = async (cmd, arg = '') => {
    id++;
    const answered = client.next(({ topic, json }) => topic === 'cmd/rsp' && json?.id === id, 20_000);
    await client.say('cmd', JSON.stringify({ id, cmd, arg }));
    const found = await answered;
    if (found?.json.ok !== 1) throw new Error(`command ${cmd} ${arg}: ${found?.text ?? 'no answer'}: ${station.tail()}`);
  };
  client.on(({ topic, json }) => {
    if (topic === 'state') seen = json;
  });
  if (!(await within(20_000, () => seen?.code === 601 || station.child === null)))
    throw new Error(`no station to teach: ${station.tail()}`);
  await command(20, `plate:${shots}:${shots}`);
  await within(20_000, () => seen?.ready === 1);
  for (let seq = 1; seq <= 2 * shots; seq++) {
    const answered = client.next(({ topic, json }) => (topic === 'result' || (topic === 'ack' && json?.ack === 0)) && json?.seq === seq);
    await client.say('trigger', String(seq));
    if ((await answered) === null) throw new Error(`no answer to shot ${seq}: ${station.tail()}`);
  }
  await command(21);
  await client.end();
  await station.kill('SIGTERM');
}
