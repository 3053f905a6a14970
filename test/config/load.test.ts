import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { familyNames } from '../../src/camera/simulated/families';
import { configDocs, sampleYaml } from '../../src/config/docs';
import { loadConfig } from '../../src/config/load';
import { rules } from '../../src/config/rules';
import { families, symmetries } from '../../src/config/schema';
import { leaves } from '../../src/config/tree';
import { parseYaml } from '../../src/config/yaml';
import { packageRoot } from '../../src/package';
import { symmetries as recipeSymmetries } from '../../src/recipe/recipe';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-config-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function load(text: string | null, env: Record<string, string> = {}, set: string[] = []) {
  const file = text === null ? null : join(dir, 'config.yaml');
  if (file !== null) writeFileSync(file, text ?? '');
  return loadConfig({ file, env, set });
}

test('a flag goes before the environment, that before the file, that before the default', () => {
  const file = 'plc: {ttl: 1100}';
  const env = { VERDICTD_PLC_TTL: '1200' };
  expect(load(null).plc.ttl).toBe(1500);
  expect(load(file).plc.ttl).toBe(1100);
  expect(load(file, env).plc.ttl).toBe(1200);
  expect(load(null, env).plc.ttl).toBe(1200);
  expect(load(file, env, ['plc.ttl=1300']).plc.ttl).toBe(1300);
  expect(load(file, env, ['plc.ttl=1300', 'plc.ttl=1400']).plc.ttl).toBe(1400);
});

test('an override mends what is wrong in the file, and leaves the rest of its section', () => {
  expect(load('plc: {ttl: 5, heartbeat: 500}', { VERDICTD_PLC_TTL: '900' }).plc).toMatchObject({ ttl: 900, heartbeat: 500 });
});

test('texts of the environment become values of the kind of their key', () => {
  const config = load('plc: {username: u}\nline: {lot: a}', {
    VERDICTD_INFERENCE_PROVIDERS: 'cuda, cpu',
    VERDICTD_BROKER_EMBEDDED: 'true',
    VERDICTD_CAMERA_SIMULATED_DEFECT_RATE: '.25',
    VERDICTD_PLC_USERNAME: '',
    VERDICTD_LINE_LOT: '',
    VERDICTD_DATA_DIR: '/d',
    VERDICTD_ORT_DIR: '/elsewhere',
    PATH: '/bin',
  });
  expect(config.inference.providers).toEqual(['cuda', 'cpu']);
  expect(config.broker.embedded).toBe(true);
  expect(config.camera.simulated.defectRate).toBe(0.25);
  expect(config.plc.username).toBeNull();
  expect(config.line.lot).toBe('');
  expect(config.dataDir).toBe('/d');
});

test('every key can be set from the environment to its own default, and no two share a name', () => {
  const env = Object.fromEntries(
    leaves.map(({ env: name, fallback }) => [
      name,
      fallback === null ? 'null' : Array.isArray(fallback) ? fallback.join(',') : String(fallback),
    ]),
  );
  expect(Object.keys(env)).toHaveLength(leaves.length);
  expect(load(null, env)).toEqual(load(null));
});

test('config/verdictd.yaml as generated says the defaults, all of them, each with a comment', () => {
  const sample = sampleYaml();
  expect(load(sample)).toEqual(load(null));
  const lines = sample.split('\n');
  for (const leaf of leaves) {
    const at = parseYaml(sample, 'sample').lines.get(leaf.path);
    expect(at).toBeDefined();
    expect(lines[(at ?? 0) - 2]).toMatch(/^ *# .*\.$/);
  }
});

test('config/demo.yaml is a station that needs nothing else: simulated line, own broker on this machine, own PLC, own folder', () => {
  const config = loadConfig({ file: join(packageRoot, 'config/demo.yaml'), env: {}, set: [] });
  expect(config.station.name).toBe('demo');
  expect(config.camera.kind).toBe('simulated');
  expect(config.broker).toEqual({ embedded: true, host: '127.0.0.1', port: 1883 });
  expect(config.plc).toMatchObject({ url: 'mqtt://127.0.0.1:1883', baseTopic: 'verdictd/demo', acceptSimulated: false });
  expect(config.demo.plc).toBe(true);
  expect(config.recipe).toMatchObject({ active: 'demo', teach: { auto: true } });
  expect(config.dataDir).toBe('data/demo');
});

test('a section left empty has its defaults; a byte order mark is no mistake', () => {
  expect(load('\ufeffplc:\nrecipe:\n  teach:\n')).toEqual(load(null));
});

test('where the broker is and what topics begin with is filled in', () => {
  const config = load('station: {name: line-4}\nbroker: {host: "::1", port: 1999}');
  expect(config.plc).toMatchObject({ url: 'mqtt://[::1]:1999', baseTopic: 'verdictd/line-4' });
  expect(load('plc: {url: "mqtts://broker.plant:8883", baseTopic: plant/a/b}').plc).toMatchObject({
    url: 'mqtts://broker.plant:8883',
    baseTopic: 'plant/a/b',
  });
  // The longest suffix of the contract, "/plc/heartbeat", has 14 characters; whole topics have at most 64.
  expect(load(`plc: {baseTopic: ${'a'.repeat(50)}}`).plc.baseTopic).toHaveLength(64 - '/plc/heartbeat'.length);
});

test('the configuration is frozen to the bottom, and none shares anything with another', () => {
  const config = load(null);
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    expect(Object.isFrozen(value)).toBe(true);
    Object.values(value).forEach(walk);
  };
  walk(config);
  expect(() => Object.assign(config.plc, { ttl: 1 })).toThrow(TypeError);
});

test('the hash is of the values: order, comments and where they came from do not matter, each value does', () => {
  const { sha256 } = load('plc: {ttl: 900, heartbeat: 500}\nstation: {name: a}');
  expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(load('# x\nstation:\n  name: a\nplc: {heartbeat: 500, ttl: 900}').sha256).toBe(sha256);
  expect(load('station: {name: a}', { VERDICTD_PLC_TTL: '900' }, ['plc.heartbeat=500']).sha256).toBe(sha256);
  expect(load('plc: {ttl: 901, heartbeat: 500}\nstation: {name: a}').sha256).not.toBe(sha256);
});

test('the names that the schema repeats are those of the rooms they belong to', () => {
  expect([...families].sort()).toEqual([...familyNames].sort());
  expect(symmetries).toEqual(recipeSymmetries);
});

test('docs/config.md names every key, its variable and every refused combination', () => {
  const text = configDocs();
  expect(leaves.length).toBeGreaterThan(40);
  for (const leaf of leaves) expect(text).toContain(`| \`${leaf.path}\` | \`${JSON.stringify(leaf.fallback)}\` |`);
  for (const leaf of leaves) expect(text).toContain(`| \`${leaf.env}\` |`);
  for (const rule of rules) expect(text).toContain(`- ${rule.about}.`);
});
