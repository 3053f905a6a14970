/** Wrong configurations, one kind of mistake each: refused with the path, what was found and what was expected. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load';
import { rules } from '../../src/config/rules';
import { cameras, schema } from '../../src/config/schema';
import { VerdictdError } from '../../src/errors';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-config-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function refusal(text: string | Buffer, env: Record<string, string> = {}, set: string[] = []): VerdictdError {
  const file = join(dir, 'wrong.yaml');
  writeFileSync(file, text);
  try {
    loadConfig({ file, env, set });
  } catch (thrown) {
    if (thrown instanceof VerdictdError) return thrown;
    throw thrown;
  }
  throw new Error(`accepted: ${text}`);
}

test('a switch for one run is taken from the command line alone: elsewhere it would outlive a restart', () => {
  const [line] = refusal('plc: {acceptSimulated: true}').details;
  expect(line).toMatch(
    /^plc\.acceptSimulated is true \(line 1\): expected false: this switch is for one run .*--set plc\.acceptSimulated=true$/,
  );
  expect(refusal('{}', { VERDICTD_PLC_ACCEPT_SIMULATED: 'true' }).details).toHaveLength(1);
  expect(loadConfig({ file: null, env: {}, set: ['plc.acceptSimulated=true'] }).plc.acceptSimulated).toBe(true);
});

/** YAML, then how the line about it begins, then what it says of the mistake and of the way out. */
const wrongValues: [string, string, ...string[]][] = [
  // Unknown keys
  ['plcc: {ttl: 1}', 'plcc (line 1)', 'did you mean plc?'],
  ['plc: {tll: 900}', 'plc.tll is 900 (line 1)', 'did you mean plc.ttl?'],
  ['plc:\n  heart_beat: 900', 'plc.heart_beat is 900 (line 2)', 'did you mean plc.heartbeat?'],
  ['ttl: 900', 'ttl is 900 (line 1)', 'did you mean plc.ttl?'],
  ['plc.ttl: 900', 'plc.ttl is 900 (line 1)', 'write ttl below plc, indented'],
  ['camera: {simulated: {seeed: 1}}', 'camera.simulated.seeed is 1', 'did you mean camera.simulated.seed?'],
  ['camera: {Simulated: {seed: 1}}', 'camera.Simulated (line 1)', 'did you mean camera.simulated?'],
  ['zzzzqq: 1', 'zzzzqq is 1', 'here: station, dataDir, camera'],
  ['__proto__: {plc: 1}', '__proto__ (line 1)', 'a key that is known'],
  ['constructor: 1', 'constructor is 1', 'a key that is known'],
  ['plc: {"": 1}', 'plc. is 1', 'a key that is known'],
  ['<<: {a: 1}', '<<', 'a key that is known'],
  // Sections
  ['plc: 1883', 'plc is 1883 (line 1)', 'a section with keys of url'],
  ['plc: [url]', 'plc is ["url"]', 'a section with keys of url'],
  ['camera:\n  simulated: plate', 'camera.simulated is "plate" (line 2)', 'a section with keys of family'],
  ['station: demo', 'station is "demo"', 'a section with keys of name'],
  // Units
  ['plc: {ttl: 500 ms}', 'plc.ttl is "500 ms"', 'a whole number from 100 to 60000, in ms', 'write the number alone: 500'],
  ['plc: {ttl: 1.5 s}', 'plc.ttl is "1.5 s"', 'write the number alone, in ms'],
  ['plc: {heartbeat: 1s}', 'plc.heartbeat is "1s"', 'in ms'],
  ['camera: {simulated: {width: 4096px}}', 'camera.simulated.width is "4096px"', 'write the number alone: 4096'],
  ['log: {minFree: 1 GB}', 'log.minFree is "1 GB"', 'in MiB'],
  ['evidence: {width: 10 cm}', 'evidence.width is "10 cm"', 'in px'],
  ['camera: {simulated: {defectRate: 10%}}', 'camera.simulated.defectRate is "10%"', 'a number from 0 to 1'],
  // Numbers
  ['plc: {ttl: "1500"}', 'plc.ttl is "1500"', 'write the number without quotes'],
  ['plc: {ttl: 99}', 'plc.ttl is 99', 'from 100 to 60000'],
  ['plc: {ttl: 60001}', 'plc.ttl is 60001', 'from 100 to 60000'],
  ['plc: {ttl: 1500.5}', 'plc.ttl is 1500.5', 'a whole number'],
  ['plc: {ttl: .nan}', 'plc.ttl is NaN', 'a whole number'],
  ['plc: {ttl: .inf}', 'plc.ttl is Infinity', 'a whole number'],
  ['plc: {ttl: null}', 'plc.ttl is null', 'a whole number'],
  ['plc: {ttl: true}', 'plc.ttl is true', 'a whole number'],
  ['plc: {ttl: {ms: 5}}', 'plc.ttl is {"ms":5}', 'a whole number'],
  ['line: {maxOpen: 0}', 'line.maxOpen is 0', 'from 1 to 16'],
  ['line: {maxOpen: 17}', 'line.maxOpen is 17', 'from 1 to 16'],
  ['line: {maxOpen: -1}', 'line.maxOpen is -1', 'from 1 to 16'],
  ['broker: {port: 65536}', 'broker.port is 65536', 'from 1 to 65535'],
  ['broker: {port: 0}', 'broker.port is 0', 'from 1 to 65535'],
  ['camera: {simulated: {seed: 1e30}}', 'camera.simulated.seed is 1e+30', 'from 0 to 4294967295'],
  ['recipe: {teach: {falseReject: 0}}', 'recipe.teach.falseReject is 0', 'from 0.00001 to 0.5'],
  ['evidence: {quality: 101}', 'evidence.quality is 101', 'from 1 to 100'],
  // true and false
  ['broker: {embedded: yes}', 'broker.embedded is "yes"', 'write true, without quotes'],
  ['broker: {embedded: off}', 'broker.embedded is "off"', 'write false, without quotes'],
  ['broker: {embedded: 1}', 'broker.embedded is 1', 'true or false'],
  ['evidence: {heatmaps: "true"}', 'evidence.heatmaps is "true"', 'write true, without quotes'],
  // Words
  ['camera: {kind: spinaker}', 'camera.kind is "spinaker"', 'one of simulated, files'],
  ['camera: {kind: file}', 'camera.kind is "file"', 'did you mean files?'],
  ['trigger: {source: freerun}', 'trigger.source is "freerun"', 'did you mean freeRun?'],
  ['evidence: {pictures: true}', 'evidence.pictures is true', 'one of all, notOk, none'],
  ['diagnostics: {level: verbose}', 'diagnostics.level is "verbose"', 'one of trace, debug'],
  ['plc: {onBrokerLoss: pass}', 'plc.onBrokerLoss is "pass"', 'one of hold, log'],
  ['recipe: {teach: {symmetry: rotation}}', 'recipe.teach.symmetry is "rotation"', 'did you mean rotations?'],
  ['broker: {host: 0.0.0.0}', 'broker.host is "0.0.0.0"', 'one of 127.0.0.1'],
  // Names and text
  ['station: {name: Line 4}', 'station.name is "Line 4"', '1 to 32 of a-z, 0-9 and -'],
  ['station: {name: ""}', 'station.name is ""', '1 to 32 of a-z, 0-9 and -'],
  ['station: {name: 4}', 'station.name is 4', 'in quotes: "4"'],
  [`station: {name: ${'a'.repeat(33)}}`, 'station.name is "aaa', '1 to 32 of'],
  ['station: {name: null}', 'station.name is null', '1 to 32 of'],
  ['recipe: {active: ../etc}', 'recipe.active is "../etc"', '1 to 32 of a-z, 0-9 and -, or null'],
  ['line: {lot: "a b"}', 'line.lot is "a b"', 'at most 32 of'],
  ['line: {lot: 2024}', 'line.lot is 2024', 'in quotes: "2024"'],
  // Lists and paths
  ['line: {shifts: ["06:00"]}', 'line.shifts[0] is "06:00"', 'a shift has an end as well: 06:00-HH:MM'],
  ['line: {shifts: ["06:00-14:00", "13:00-22:00"]}', 'line.shifts is ["06:00-14:00","13:00-22:00"]', 'one at a time'],
  ['line: {shifts: ["06:00-14:00", "22:00-07:00"]}', 'line.shifts is', 'one at a time'],
  ['master: {shifts: ["06:00-14:00"]}', 'master.shifts', 'did you mean line.shifts?'],
  ['line: {workdays: []}', 'line.workdays is []', 'at least one'],
  ['line: {workdays: [monday]}', 'line.workdays[0] is "monday"', 'a list of sun, mon'],
  ['inference: {providers: cpu}', 'inference.providers is "cpu"', 'write it as a list: [cpu]'],
  ['inference: {providers: []}', 'inference.providers is []', 'a list of tensorrt, cuda, cpu'],
  ['inference: {providers: [cpu, npu]}', 'inference.providers[1] is "npu"', 'a list of tensorrt, cuda, cpu'],
  ['camera: {files: {paths: [1]}}', 'camera.files.paths[0] is 1', 'a list of paths'],
  ['dataDir: ~/data', 'dataDir is "~/data"', '"~" is not expanded'],
  ['dataDir: "a\\0b"', 'dataDir is "a\\u0000b"', 'a path'],
  ['bundle: {path: ""}', 'bundle.path is ""', 'a path'],
  // The link
  ['plc: {url: "127.0.0.1:1883"}', 'plc.url is "127.0.0.1:1883"', 'mqtt://HOST[:PORT]'],
  ['plc: {url: "http://broker"}', 'plc.url is "http://broker"', 'mqtt://HOST[:PORT]'],
  ['plc: {url: "mqtt://"}', 'plc.url is "mqtt://"', 'mqtt://HOST[:PORT]'],
  ['plc: {url: "mqtt://host/path"}', 'plc.url is "mqtt://host/path"', 'without user, password or path'],
  ['plc: {url: "mqtt://me:hunter2@host"}', 'plc.url is "mqtt://...@host"', 'plc.passwordFile'],
  ['plc: {baseTopic: "a/#"}', 'plc.baseTopic is "a/#"', 'no wildcard'],
  ['plc: {baseTopic: "a/+/b"}', 'plc.baseTopic is "a/+/b"', 'no wildcard'],
  ['plc: {baseTopic: "/a"}', 'plc.baseTopic is "/a"', '1 to 4 levels'],
  ['plc: {baseTopic: "a//b"}', 'plc.baseTopic is "a//b"', '1 to 4 levels'],
  ['plc: {baseTopic: a/b/c/d/e}', 'plc.baseTopic is "a/b/c/d/e"', '1 to 4 levels'],
  ['plc: {baseTopic: $SYS/a}', 'plc.baseTopic is "$SYS/a"', '1 to 4 levels'],
  [`plc: {baseTopic: ${'a'.repeat(51)}}`, 'plc.baseTopic is "aaa', 'at most 50 characters'],
  // Secrets
  ['plc: {password: hunter2}', 'plc.password (line 1)', 'plc.passwordFile'],
  ['plc: {Password: [hunter2]}', 'plc.Password (line 1)', 'plc.passwordFile'],
  ['apiToken: hunter2', 'apiToken (line 1)', 'secrets stand in files'],
  // Combinations
  ['plc: {ttl: 200, margin: 200}', 'plc.margin is 200', 'less than plc.ttl, which is 200 ms'],
  ['plc: {ttl: 150}', 'plc.margin is 200 (its default)', 'less than plc.ttl, which is 150 ms'],
  ['camera: {kind: files}', 'camera.files.paths is [] (its default)', 'at least one image file or folder'],
  ['recipe: {teach: {auto: true}}', 'recipe.active is null', 'the id of the recipe to teach'],
  ['inference: {providers: [cuda, cuda]}', 'inference.providers is ["cuda","cuda"]', 'at most once'],
  ['inference: {providers: [cpu, cuda]}', 'inference.providers is ["cpu","cuda"]', 'nothing after cpu'],
  ['quality: {minMean: 250}', 'quality.minMean is 250', 'less than quality.maxMean'],
  [
    'broker: {embedded: true}\nplc: {url: "mqtt://plant-broker"}',
    'plc.url is "mqtt://plant-broker" (line 2)',
    'as broker.embedded is true',
  ],
  ['broker: {embedded: true}\nplc: {url: "mqtt://127.0.0.1:1884"}', 'plc.url is "mqtt://127.0.0.1:1884"', 'mqtt://127.0.0.1:1883'],
  ['broker: {embedded: true}\nplc: {url: "mqtts://127.0.0.1:1883"}', 'plc.url is "mqtts://127.0.0.1:1883"', 'mqtt://127.0.0.1:1883'],
  ['broker: {embedded: true}\nplc: {url: "mqtt://127.0.0.1.evil.example:1883"}', 'plc.url is', 'as broker.embedded is true'],
  ['plc: {caFile: ca.pem}', 'plc.url is null (its default)', 'mqtts://HOST[:PORT], as certificates are given'],
  ['plc: {url: "mqtts://h", certFile: c.pem}', 'plc.keyFile is null', 'a path, as plc.certFile is given'],
  ['plc: {url: "mqtts://h", keyFile: k.pem}', 'plc.certFile is null', 'a path, as plc.keyFile is given'],
  ['plc: {passwordFile: p}', 'plc.username is null', 'a user name'],
  ['demo: {plc: true}\ntrigger: {source: freeRun}', 'trigger.source is "freeRun" (line 2)', 'mqtt, as demo.plc is true'],
  [
    'demo: {plc: true}\nplc: {url: "mqtt://plant-broker"}',
    'demo.plc is true (line 1)',
    'false with a real camera or a broker on another machine',
  ],
];

describe('a wrong value or key', () => {
  test.each(wrongValues)('%s', (text, start, ...fragments) => {
    const error = refusal(text);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.exitCode).toBe(78);
    expect(error.details).toHaveLength(1);
    const detail = error.details[0] ?? '';
    expect(detail.startsWith(start) ? start : detail).toBe(start);
    expect(detail).toContain('expected ');
    for (const fragment of fragments) expect(detail).toContain(fragment);
    expect(detail).not.toContain('hunter2');
  });
});

const wrongYaml: [string, string | Buffer, string][] = [
  ['an empty file', '', 'the file is empty'],
  ['comments alone', '# nothing\n', 'the file is empty'],
  ['a list', '- a\n', 'a single value or a list'],
  ['a single word', 'verdictd', 'a single value or a list'],
  ['a key twice', 'plc:\n  ttl: 900\n  ttl: 901\n', 'line 3'],
  ['a tab as indentation', 'plc:\n\tttl: 900\n', 'line 2'],
  ['a quote that is not closed', 'station: {name: "demo}\n', 'line'],
  ['a bracket that is not closed', 'plc: {ttl: 900\n', 'line'],
  ['two documents', 'plc: {ttl: 900}\n---\nplc: {ttl: 901}\n', 'line 2'],
  ['an anchor', 'plc: &a {ttl: 900}\n', 'the anchor &a'],
  ['an alias', 'plc: &a {ttl: 900}\nbroker: *a\n', 'the alias *a'],
  ['a tag', 'plc: {ttl: !!js/function "x"}\n', 'line 1'],
  ['a known tag', 'plc: {ttl: !!str 900}\n', 'the tag'],
  ['a key that is a number', '1: x\n', 'a key that is not a word'],
  ['a key that is a list', '? [a, b]\n: x\n', 'a key that is not a word'],
  ['bytes that are not UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe, 0x0a]), 'not UTF-8'],
  ['too many levels', `a: ${'{a: '.repeat(40)}1${'}'.repeat(40)}`, 'levels'],
  ['far too many levels', '['.repeat(100_000), 'wrong.yaml'],
  ['too large', `# ${'x'.repeat(300_000)}`, 'a configuration has at most 262144'],
  [
    'aliases that multiply',
    `a: &a [x,x]\n${[...'bcdefghij'].map((c, i) => `${c}: &${c} [*${'abcdefghij'[i]},*${'abcdefghij'[i]}]`).join('\n')}`,
    'alias',
  ],
];

describe('a file that cannot be read', () => {
  test.each(wrongYaml)('%s', (_, text, fragment) => {
    const error = refusal(text);
    expect(error.code).toBe('CONFIG_UNREADABLE');
    expect(error.exitCode).toBe(78);
    expect([error.message, ...error.details].join('\n')).toContain(fragment);
  });

  test('with a finding in every place: each is told once, and no more than a screen of them', () => {
    for (const text of ['['.repeat(100_000), Array.from({ length: 500 }, (_, i) => `a${i}: &b${i} 1\n`).join('')]) {
      const { details } = refusal(text);
      expect(details.length).toBeLessThanOrEqual(21);
      expect(new Set(details).size).toBe(details.length);
    }
  });

  test('a missing one, a folder, a device', () => {
    mkdirSync(join(dir, 'folder'), { recursive: true });
    for (const file of [join(dir, 'missing.yaml'), join(dir, 'folder'), '/dev/zero']) {
      expect(() => loadConfig({ file, env: {}, set: [] })).toThrow(expect.objectContaining({ code: 'CONFIG_UNREADABLE' }));
    }
  });
});

const wrongEnvironment: [string, string, string, string][] = [
  ['VERDICTD_PLC_TTLL', '900', 'VERDICTD_PLC_TTLL is "900" (environment VERDICTD_PLC_TTLL)', 'did you mean VERDICTD_PLC_TTL?'],
  ['VERDICTD_PLC_TTL', '900ms', 'plc.ttl is "900ms" (environment VERDICTD_PLC_TTL)', 'write the number alone: 900'],
  ['VERDICTD_PLC_TTL', '', 'plc.ttl is "" (environment VERDICTD_PLC_TTL)', 'a whole number'],
  ['VERDICTD_PLC_TTL', '0x3e8', 'plc.ttl is "0x3e8"', 'a whole number'],
  ['VERDICTD_BROKER_EMBEDDED', '1', 'broker.embedded is "1" (environment VERDICTD_BROKER_EMBEDDED)', 'true or false'],
  ['VERDICTD_INFERENCE_PROVIDERS', 'cpu,npu', 'inference.providers[1] is "npu" (environment VERDICTD_INFERENCE_PROVIDERS)', 'a list of'],
  ['VERDICTD_PLC_PASSWORD', 'hunter2', 'VERDICTD_PLC_PASSWORD (environment', 'plc.passwordFile'],
  ['VERDICTD_PLC', '{}', 'VERDICTD_PLC is "{}"', 'a variable that is known'],
  ['VERDICTD_', 'x', 'VERDICTD_ is "x"', 'a variable that is known'],
];

test.each(wrongEnvironment)('in the environment: %s=%s', (name, value, start, fragment) => {
  const error = refusal('plc: {}', { [name]: value });
  expect(error.code).toBe('CONFIG_INVALID');
  expect(error.details).toHaveLength(1);
  expect(error.details[0]).toContain(start);
  expect(error.details[0]).toContain(fragment);
  expect(error.details[0]).not.toContain('hunter2');
});

test('flags: an unknown key, a wrong value, no "="', () => {
  expect(refusal('plc: {}', {}, ['plc.tll=5']).details[0]).toContain('did you mean plc.ttl?');
  expect(refusal('plc: {}', {}, ['plc.ttl=5']).details[0]).toContain('plc.ttl is 5 (--set plc.ttl): expected a whole number from 100');
  expect(refusal('plc: {}', {}, ['plc.secret=hunter2']).details.join()).not.toContain('hunter2');
  expect(refusal('plc: {}', {}, ['plc.ttl'])).toMatchObject({ code: 'USAGE', exitCode: 2 });
});

test('every mistake is told at once, those between values too, each once', () => {
  const text = [
    'station: {name: Line 4}',
    'plc: {ttl: 500 ms, margn: 3, passwordFile: p}',
    'broker: 5',
    'demo: {plc: true}',
    'trigger: {source: freeRun}',
  ].join('\n');
  const { details } = refusal(text, { VERDICTD_LINE_MAX_OPEN: '99', VERDICTD_X: '1' }, ['evidence.width=1']);
  const heads = ['broker is', 'station.name is', 'plc.ttl is', 'plc.margn is', 'plc.username is', 'trigger.source is'];
  for (const head of [...heads, 'line.maxOpen is', 'VERDICTD_X is', 'evidence.width is']) {
    expect(details.filter((detail) => detail.startsWith(head))).toHaveLength(1);
  }
  expect(details).toHaveLength(9);
});

test('a rule is not asked about a value that is wrong in itself', () => {
  expect(refusal('plc: {ttl: x, margin: 300}').details).toHaveLength(1);
});

test('what a real camera rules out: simulated passes, teaching by itself, a stand-in for the PLC', () => {
  const values = schema.parse({ plc: { acceptSimulated: true }, recipe: { active: 'a', teach: { auto: true } }, demo: { plc: true } });
  const found = () => rules.flatMap((rule) => rule.find(values)?.path ?? []);
  expect(found()).toEqual([]);
  const table: Record<string, { real: boolean }> = cameras;
  table.simulated = { real: true };
  try {
    expect(found()).toEqual(['plc.acceptSimulated', 'recipe.teach.auto', 'demo.plc']);
  } finally {
    table.simulated = { real: false };
  }
});
