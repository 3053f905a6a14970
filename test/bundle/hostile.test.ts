/** Folders that are no bundle although they look like one, and moments at which a bundle changes. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Staging } from '../../src/build/staging';
import { installBundle } from '../../src/bundle/install';
import { defaultBundleDir, loadBundle } from '../../src/bundle/load';
import type { Manifest } from '../../src/bundle/manifest';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'verdictd-hostile-')));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let count = 0;

function copy(change: (manifest: Manifest) => void = () => undefined): string {
  const path = join(dir, `bundle-${count++}`);
  cpSync(defaultBundleDir(), path, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as Manifest;
  change(manifest);
  writeFileSync(join(path, 'manifest.json'), JSON.stringify(manifest));
  return path;
}

const refused = (message: string) =>
  expect.objectContaining({ code: 'BUNDLE_REFUSED', message: expect.stringContaining(message) as string });

test.each(['model.onnx', 'golden.png', 'manifest.json'])('%s is a pipe that nobody writes to: refused, not waited for', async (name) => {
  const path = copy();
  rmSync(join(path, name));
  execFileSync('mkfifo', [join(path, name)]);
  await expect(loadBundle(path)).rejects.toThrow(refused('not a regular file'));
});

test.each(['model.onnx', 'golden.png', 'manifest.json'])('%s is a link: refused, wherever it leads', async (name) => {
  const path = copy();
  renameSync(join(path, name), join(dir, `aside-${count}`));
  symlinkSync(join(dir, `aside-${count}`), join(path, name));
  await expect(loadBundle(path)).rejects.toThrow(expect.objectContaining({ code: 'BUNDLE_REFUSED' }));
});

test.each(['constructor', 'toString', 'hasOwnProperty'])(
  'a golden image called %s is not one because every object has such a name',
  async (name) => {
    const path = copy((manifest) => {
      manifest.golden.image = name;
    });
    await expect(loadBundle(path)).rejects.toThrow(refused(`names no file ${name}`));
  },
);

test.each(['../model.onnx', 'sub/model.onnx', '/etc/passwd', '.hidden', '', 'a\u0000b', '__proto__'])(
  'a file named %j in the manifest',
  async (name) => {
    const path = copy();
    const text = readFileSync(join(path, 'manifest.json'), 'utf8');
    const entry = `${JSON.stringify(name)}:{"sha256":"${'0'.repeat(64)}","bytes":1},`;
    writeFileSync(join(path, 'manifest.json'), text.replace('"files":{', `"files":{${entry}`));
    await expect(loadBundle(path)).rejects.toThrow(refused(name === '__proto__' ? 'key __proto__' : 'breaks the format'));
  },
);

test.each<[string, (manifest: Manifest) => void]>([
  ['name', (manifest) => (manifest.name = 'good\u001b[2J')],
  ['settings', (manifest) => (manifest.settings.object = 'bolt\u001b]0;x\u0007')],
  ['settings', (manifest) => (manifest.settings['a\nb'] = 1)],
  ['sources', (manifest) => manifest.sources.push({ name: 'clip\r.pt', sha256: '0'.repeat(64) })],
])('control characters in %s, which a terminal would obey', async (where, change) => {
  await expect(loadBundle(copy(change))).rejects.toThrow(refused(where));
});

test('a bundle that changes right after it was proven: the link goes back to the one before', async () => {
  const data = join(dir, 'data-back');
  const proven = () => Promise.resolve();
  const one = await installBundle(await loadBundle(copy((manifest) => (manifest.version = '5.0.1'))), data, proven);
  const two = await loadBundle(copy((manifest) => (manifest.version = '5.0.2')));
  const spoil = (placed: { modelPath: string }) => Promise.resolve(writeFileSync(placed.modelPath, 'spoilt'));
  await expect(installBundle(two, data, spoil)).rejects.toThrow(refused('model.onnx'));
  expect((await loadBundle(one.link)).sha256).toBe(one.bundle.sha256);
  expect(existsSync(join(data, 'bundles/previous'))).toBe(false);
  const empty = join(dir, 'data-none');
  await expect(installBundle(two, empty, spoil)).rejects.toThrow(refused('model.onnx'));
  expect(readdirSync(join(empty, 'bundles'))).not.toContain('current'); // there was none before, and there is none now
});

test('a bundle that is changed while it is copied', async () => {
  const source = copy();
  const checked = await loadBundle(source);
  const manifest = JSON.parse(readFileSync(join(source, 'manifest.json'), 'utf8')) as Manifest;
  writeFileSync(join(source, 'manifest.json'), JSON.stringify({ ...manifest, version: '6.6.6' }));
  const prove = jest.fn(() => Promise.resolve());
  await expect(installBundle(checked, join(dir, 'data-changed'), prove)).rejects.toThrow(refused('changed while it was copied'));
  expect(prove).not.toHaveBeenCalled();
});

test('what a cut-off install left behind goes with the next one; one that is under way, and files of others, stay', async () => {
  const root = join(dir, 'data-swept', 'bundles');
  const left = ['.staging-000000000001', '.current-000000000002'];
  const stay = ['.staging-000000000003', '.mine-000000000004', 'kept'];
  for (const name of [...left, ...stay]) mkdirSync(join(root, name), { recursive: true });
  for (const name of [...left, '.mine-000000000004', 'kept']) utimesSync(join(root, name), 1, 1);
  await installBundle(await loadBundle(null), join(dir, 'data-swept'), () => Promise.resolve());
  expect(left.filter((name) => existsSync(join(root, name)))).toEqual([]);
  expect(stay.every((name) => lstatSync(join(root, name)).isDirectory())).toBe(true);
});

describe('a folder that a new bundle would replace', () => {
  const begin = (path: string) => () => Staging.begin(path).discard();

  test('with a manifest.json of another program, or anything that its manifest does not name: nothing is touched', () => {
    const site = join(dir, 'site');
    mkdirSync(site);
    writeFileSync(join(site, 'manifest.json'), '{"name": "a web page", "icons": []}');
    writeFileSync(join(site, 'index.html'), 'mine');
    expect(begin(site)).toThrow(/holds files that are no bundle \(index\.html, manifest\.json\)/);
    const noted = copy();
    writeFileSync(join(noted, 'notes.txt'), 'mine');
    expect(begin(noted)).toThrow(/no bundle \(notes\.txt\)/);
    for (const text of ['null', '[]', 'no JSON', '{"files": null}', '{"files": {"index.html": {}}}']) {
      writeFileSync(join(site, 'manifest.json'), text);
      expect(begin(site)).toThrow(/no bundle/);
    }
    expect(readFileSync(join(site, 'index.html'), 'utf8')).toBe('mine');
  });

  test('a bundle, whole or damaged, and an empty folder can be', () => {
    const old = copy();
    writeFileSync(join(old, 'model.onnx'), 'damaged');
    expect(begin(old)).not.toThrow();
    mkdirSync(join(dir, 'empty'));
    expect(begin(join(dir, 'empty'))).not.toThrow();
  });
});
