/** TLS, certificates and the ACL of docs/mqtt.md against a real mosquitto, with everything that can be wrong about them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { brokerCheck } from '../../src/health/broker';
import { packageRoot } from '../../src/package';
import { type TopicName, type TopicRow, topicTable } from '../../src/plc/topics';
import { Authority, type Pair } from './certificates';
import { freePort, hasMosquitto, keptDiagnostics, makeLink, never, noMosquitto, operational, pause, soon, until } from './support';

const base = 'verdictd/station1';
const hasOpenssl = spawnSync('openssl', ['version']).error === undefined;
const lacking = !hasMosquitto ? noMosquitto : !hasOpenssl ? 'openssl is not installed' : null;
if (lacking !== null) process.stderr.write(`skipped: ${lacking}\n`);
const withBroker = lacking === null ? test : test.skip;
const name = (text: string) => (lacking === null ? text : `${text} (${lacking})`);

let dir = '';
let broker: ChildProcess | null = null;
let plant: Authority;
let other: Authority;
/** Listeners: as the docs say; its certificate ended yesterday; its certificate is of another host; without TLS. */
const url = { right: '', expired: '', elsewhere: '', plain: '' };
const people: Record<string, Pair> = {};

/** One part of docs/mqtt.md by its first line. */
function page(head: string): string {
  const text = readFileSync(join(packageRoot, 'docs/mqtt.md'), 'utf8').replace(/^ {4}/gm, '');
  const [, found] = new RegExp(`^${head.replace(/[/.]/g, '\\$&')}\\n([\\s\\S]*?)\\n\\n(?!user)`, 'm').exec(text) ?? [];
  if (found === undefined) throw new Error(`docs/mqtt.md has no ${head}`);
  return found;
}

beforeAll(async () => {
  if (lacking !== null) return;
  dir = mkdtempSync(join(tmpdir(), 'verdictd-tls-'));
  plant = new Authority(dir, 'plant');
  other = new Authority(dir, 'other');
  const san = 'IP:127.0.0.1';
  for (const user of ['rig-station1', 'plc-station1', 'mes', 'rig-station2']) people[user] = plant.sign(user);
  const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const conf = page('# /etc/mosquitto/conf.d/verdictd-tls.conf');
  const acl = file('acl', `${page('# /etc/mosquitto/acl')}\n`);
  const listener = (at: number, { cert, key }: Pair): string =>
    conf
      .replace('listener 8883', `listener ${ports[at]} 127.0.0.1`)
      .replace('/etc/mosquitto/certs/ca.crt', plant.cert)
      .replace('/etc/mosquitto/certs/broker.crt', cert)
      .replace('/etc/mosquitto/certs/broker.key', key)
      .replace(/^(allow_anonymous|acl_file|message_size_limit|set_tcp_nodelay) .*\n?/gm, '');
  const general = /^(?:allow_anonymous|acl_file|message_size_limit|set_tcp_nodelay) .*$/gm;
  const all = [
    ...(conf.match(general) ?? []).map((line) => line.replace('/etc/mosquitto/acl', acl)),
    listener(0, plant.sign('broker', { san })),
    listener(1, plant.sign('broker', { san, expired: true })),
    listener(2, plant.sign('broker', { san: 'DNS:elsewhere.plant' })),
    `listener ${ports[3]} 127.0.0.1`,
    'user root', // started by root, mosquitto would change to a user that may not read this folder
  ];
  const [right, expired, elsewhere, plain] = ports.map((port) => `mqtts://127.0.0.1:${port}`);
  Object.assign(url, { right, expired, elsewhere, plain });
  broker = spawn('mosquitto', ['-c', file('mosquitto.conf', `${all.join('\n')}\n`)], { stdio: 'ignore' });
  for (let up = false; !up && broker.exitCode === null; await pause(50)) {
    await client('mes').then(
      async (one) => {
        up = true;
        await one.endAsync(true);
      },
      () => undefined,
    );
  }
  expect(broker.exitCode).toBeNull();
});
afterAll(() => {
  broker?.kill('SIGKILL');
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

function client(user: string): Promise<MqttClient> {
  const { cert, key } = people[user] as Pair;
  const tls = { ca: readFileSync(plant.cert), cert: readFileSync(cert), key: readFileSync(key) };
  return connectAsync(url.right, { ...tls, reconnectPeriod: 0 }, false);
}

const station = () => {
  const { cert, key } = people['rig-station1'] as Pair;
  return { base, caFile: plant.cert, certFile: cert, keyFile: key };
};

withBroker(name('with its certificate the station is up, and doctor goes there and back'), async () => {
  const { diagnostics, lines } = keptDiagnostics();
  const { link } = makeLink(url.right, station(), { diagnostics });
  link.state(operational);
  await link.start(never);
  await until('up', () => link.connected());
  expect(lines.filter(({ level }) => level >= 40)).toEqual([]);
  expect(await brokerCheck({ ...station(), url: url.right, station: 'station1', embeddedAndDown: false })).toMatchObject({ ok: true });
  await link.stop(soon());
});

type Wrong = [string, () => [keyof typeof url, Partial<Record<'caFile' | 'certFile' | 'keyFile', string | null>>], RegExp];
const wrong: Wrong[] = [
  ['an authority that did not sign the broker', () => ['right', { caFile: other.cert }], /unable to|self.signed.*Set plc\.caFile/],
  ['no authority at all', () => ['right', { caFile: null }], /Set plc\.caFile/],
  ["the broker's certificate has ended", () => ['expired', {}], /certificate has expired.*Renew the broker's certificate/],
  ['a broker of another name', () => ['elsewhere', {}], /altnames.*Use in plc\.url a name/],
  ['a port without TLS', () => ['plain', {}], /this port speaks TLS/],
  [
    "a station's certificate of another authority",
    () => {
      const { cert, key } = other.sign('rig-station1');
      return ['right', { certFile: cert, keyFile: key }];
    },
    /refuses the certificate of this station/,
  ],
  [
    "a station's certificate that has ended",
    () => {
      const { cert, key } = plant.sign('rig-station1', { expired: true });
      return ['right', { certFile: cert, keyFile: key }];
    },
    /refuses the certificate of this station/,
  ],
];
test.each(lacking === null ? wrong : [])(
  '%s: not connected, one line that says what to do, the same by doctor',
  async (_, make, expected) => {
    const [where, change] = make();
    const options = { ...station(), ...change };
    const { diagnostics, lines } = keptDiagnostics();
    const { link } = makeLink(url[where], options, { diagnostics });
    await link.start(never);
    await until('a warning', () => lines.length > 0);
    expect(lines[0]?.msg).toMatch(expected);
    expect(link.connected()).toBe(false);
    await link.stop(soon());
    const check = await brokerCheck({ ...options, url: url[where], station: 'station1', embeddedAndDown: false, patience: 2_000 });
    expect(check.ok).toBe(false);
    expect(`${check.detail}. ${check.fix}`).toMatch(expected);
  },
);

withBroker(name('a station without a certificate is not let in'), async () => {
  const { diagnostics, lines } = keptDiagnostics();
  const { link } = makeLink(url.right, { base, caFile: plant.cert }, { diagnostics });
  await link.start(never);
  await until('a warning', () => lines.length > 0);
  expect(link.connected()).toBe(false);
  await link.stop(soon());
});

withBroker(name('no secret is in any line of the diagnostics, whatever goes wrong'), async () => {
  const { diagnostics, lines } = keptDiagnostics();
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, 'correct horse', { mode: 0o600 });
  for (const where of ['right', 'expired', 'plain'] as const) {
    const { link } = makeLink(url[where], { ...station(), username: 'rig-station1', passwordFile }, { diagnostics });
    const before = lines.length;
    await link.start(never);
    await until('a line', () => lines.length > before);
    await link.stop(soon());
  }
  const said = JSON.stringify(lines);
  const pem = readFileSync((people['rig-station1'] as Pair).key, 'utf8').split('\n')[1] ?? 'PRIVATE';
  for (const secret of ['correct horse', Buffer.from('correct horse').toString('base64'), pem, 'PRIVATE KEY'])
    expect(said).not.toContain(secret);
});

/** Who may write a topic, by the contract. */
function writers(row: TopicRow | null): string[] {
  return row !== null && row.direction === 'PLC -> rig' ? ['plc-station1'] : ['rig-station1'];
}

withBroker(name('the ACL of the docs: every user against every topic; only the station writes results'), async () => {
  const users = Object.keys(people);
  const topics: [string, TopicRow | null][] = [
    ...(Object.entries(topicTable) as [TopicName, TopicRow][]).map(([topic, row]): [string, TopicRow] => [
      topic.replace('<code>', '801'),
      row,
    ]),
    ['doctor', null],
  ];
  const clients = Object.fromEntries(await Promise.all(users.map(async (user) => [user, await client(user)] as const)));
  const heard = new Map(users.map((user) => [user, new Set<string>()]));
  for (const user of users) {
    clients[user]?.on('message', (topic, payload, { retain }) => {
      if (!retain) heard.get(user)?.add(`${topic.slice(base.length + 1)} by ${payload.toString()}`); // left by the tests before
    });
    await clients[user]?.subscribeAsync(`${base}/#`, { qos: 1 }).catch(() => undefined); // refused to a stranger, or granted in vain
  }
  // mosquitto confirms what it discards; what was let through is known when the last message, which is allowed, has come.
  for (const user of users) for (const [topic] of topics) await clients[user]?.publishAsync(`${base}/${topic}`, user, { qos: 1 });
  await clients['rig-station1']?.publishAsync(`${base}/doctor`, 'end', { qos: 1 });
  const readers = users.filter((user) => user !== 'rig-station2');
  for (const user of readers) await until(`the end at ${user}`, () => heard.get(user)?.has('doctor by end') === true);
  const allowed = new Set([...topics.flatMap(([topic, row]) => writers(row).map((user) => `${topic} by ${user}`)), 'doctor by end']);
  for (const user of readers) expect([user, heard.get(user)]).toEqual([user, allowed]);
  expect(heard.get('rig-station2')).toEqual(new Set());
  await Promise.all(Object.values(clients).map((one) => one.endAsync(true)));
});
