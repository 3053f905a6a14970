import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { Code } from '../../src/codes';
import { brokerCheck } from '../../src/health/broker';
import { packageRoot } from '../../src/package';
import { freePort, hasMosquitto, keptDiagnostics, makeLink, never, noMosquitto, operational, soon, until } from './support';

const base = 'verdictd/station1';
const secret = 'pa55 word';
let dir = '';
let url = '';
let child: ChildProcess | null = null;

/** mosquitto with the very lines that docs/mqtt.md shows. */
beforeAll(async () => {
  if (!hasMosquitto) return;
  dir = mkdtempSync(join(tmpdir(), 'verdictd-acl-'));
  const page = readFileSync(join(packageRoot, 'docs/mqtt.md'), 'utf8').replace(/^ {4}/gm, '');
  const [, conf = '', acl = ''] =
    /# \/etc\/mosquitto\/conf.d\/verdictd.conf\n([\s\S]*?)\n\n# \/etc\/mosquitto\/acl\n([\s\S]*?)\n\nPasswords/.exec(page) ?? [];
  const port = await freePort();
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const passwords = file('passwd', '');
  for (const user of ['rig-station1', 'plc-station1', 'mes']) spawnSync('mosquitto_passwd', ['-b', passwords, user, secret]);
  const config = conf
    .replace('listener 1883', `listener ${port} 127.0.0.1`)
    .replace('/etc/mosquitto/passwd', passwords)
    .replace('/etc/mosquitto/acl', file('acl', `${acl}\n`));
  // Started by root, mosquitto would change to a user that may not read this folder.
  const running = spawn('mosquitto', ['-c', file('mosquitto.conf', `${config}\nuser root\n`)], { stdio: 'ignore' });
  child = running;
  file('secret', `${secret}\n`);
  url = `mqtt://127.0.0.1:${port}`;
  let answers = false;
  const knock = async (): Promise<void> => {
    while (!answers && running.exitCode === null) {
      await user('mes').then(
        async (client) => {
          answers = true;
          await client.endAsync(true);
        },
        () => new Promise((resolve) => setTimeout(resolve, 50)),
      );
    }
  };
  await knock();
  expect(answers).toBe(true);
});
afterAll(() => {
  child?.kill('SIGKILL');
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

function user(username: string, password = secret): Promise<MqttClient> {
  return connectAsync(url, { username, password, reconnectPeriod: 0 }, false);
}
const withMosquitto = hasMosquitto ? test : test.skip;
const name = (text: string) => (hasMosquitto ? text : `${text} (${noMosquitto})`);

withMosquitto(name('a wrong password: one line that says so, and no end of trying'), async () => {
  const { diagnostics, lines } = keptDiagnostics();
  const wrong = join(dir, 'wrong');
  writeFileSync(wrong, 'nonsense', { mode: 0o600 });
  const { link } = makeLink(url, { base, username: 'rig-station1', passwordFile: wrong }, { diagnostics });
  await link.start(never);
  await until('a warning', () => lines.length > 0);
  expect(lines[0]?.msg).toContain('Not authorized');
  await link.stop(soon());
});

withMosquitto(name('TLS: a broker that the given authority signed is trusted, any other is not'), async () => {
  const key = join(dir, 'key.pem');
  const cert = join(dir, 'cert.pem');
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=broker', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
  ]);
  if (made.error !== undefined) {
    process.stderr.write('skipped: openssl is not installed, no certificate for the TLS test\n');
    return;
  }
  const port = await freePort();
  const conf = join(dir, 'tls.conf');
  writeFileSync(conf, `listener ${port} 127.0.0.1\nallow_anonymous true\ncertfile ${cert}\nkeyfile ${key}\nuser root\n`);
  const broker = spawn('mosquitto', ['-c', conf], { stdio: 'ignore' });
  const tls = `mqtts://127.0.0.1:${port}`;
  const trusting = makeLink(tls, { base, caFile: cert }).link;
  await trusting.start(never);
  await until('up', () => trusting.connected());
  const { diagnostics, lines } = keptDiagnostics();
  const wary = makeLink(tls, { base }, { diagnostics }).link;
  await wary.start(never);
  await until('a warning', () => lines.length > 0);
  expect(lines[0]?.msg).toContain('self-signed certificate');
  expect(wary.connected()).toBe(false);
  await Promise.all([trusting.stop(soon()), wary.stop(soon())]);
  broker.kill('SIGKILL');
});

withMosquitto(name('under the ACL of the docs the station works, and nobody else can write its topics'), async () => {
  const { diagnostics, lines } = keptDiagnostics();
  const asked: string[] = [];
  const command = async (cmd: number, arg: string) => {
    asked.push(`${cmd} ${arg}`);
    return { ok: 1 as const, code: Code.ok };
  };
  const { link } = makeLink(url, { base, username: 'rig-station1', passwordFile: join(dir, 'secret') }, { diagnostics, command });
  link.state(operational);
  link.onTrigger((request) => link.ack(request.seq, Code.ok));
  await link.start(never);
  await until('up', () => link.connected());
  const plc = await user('plc-station1');
  const mes = await user('mes');
  const heard: string[] = [];
  plc.on('message', (topic, payload) => heard.push(`${topic.slice(base.length + 1)} ${payload.toString()}`));
  await plc.subscribeAsync(`${base}/#`, { qos: 1 });
  // Forged verdicts: mosquitto confirms and discards them.
  await plc.publishAsync(`${base}/result`, 'forged', { qos: 1 });
  await mes.publishAsync(`${base}/result/csv`, 'forged', { qos: 1, retain: true });
  await mes.publishAsync(`${base}/trigger`, '1', { qos: 1 });
  await plc.publishAsync(`${base}/trigger`, '7', { qos: 1 });
  await until('the ack', () => heard.includes('ack {"v":1,"seq":7,"ack":1,"code":0}'));
  await plc.publishAsync(`${base}/cmd`, '{"id":5,"cmd":7,"arg":""}', { qos: 1 });
  await until('the answer to the command', () => heard.some((line) => line.startsWith('cmd/rsp {"v":1,"id":5,"cmd":7,"ok":1')));
  expect(asked).toEqual(['7 ']);
  expect(heard.filter((line) => line.includes('forged') || line.startsWith('ack')).length).toBe(1);
  expect(link.counters().triggers).toBe(1);
  for (const topic of ['online 1', 'state {', 'about {']) expect(heard.some((line) => line.startsWith(topic))).toBe(true);
  expect(lines.filter((line) => line.level >= 40)).toEqual([]);
  // The rig reads its own `state`: a second one under its name is seen.
  expect(link.foreignRig()).toBe(false);
  const twin = await user('rig-station1');
  await twin.publishAsync(`${base}/state`, JSON.stringify({ ...operational, v: 1, bootId: 'other' }), { qos: 1 });
  await until('the foreign rig', () => link.foreignRig());
  await Promise.all([plc.endAsync(true), mes.endAsync(true), twin.endAsync(true)]);
  await link.stop(soon());
});

withMosquitto(name('doctor passes under that ACL; where a user may not, it asks for its own topic and no other'), async () => {
  const facts = { url, base, station: 'station1', embeddedAndDown: false, passwordFile: join(dir, 'secret'), patience: 500 };
  expect(await brokerCheck({ ...facts, username: 'rig-station1' })).toMatchObject({ ok: true });
  const refused = await brokerCheck({ ...facts, username: 'mes' });
  expect(refused).toMatchObject({ ok: false, fix: expect.stringContaining('write and read verdictd/station1/doctor') });
  expect(refused.fix).toContain('docs/mqtt.md');
  expect(refused.fix).not.toContain('#');
});
