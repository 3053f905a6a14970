import { cpSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installBundle } from '../../src/bundle/install';
import { defaultBundleDir, loadBundle } from '../../src/bundle/load';
import type { Bundle } from '../../src/bundle/manifest';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'verdictd-install-')));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let count = 0;
const dataDir = () => join(dir, `data-${count++}`);
const proven = () => Promise.resolve();

/** The default bundle under another version: another hash, the same model. */
async function version(text: string): Promise<Bundle> {
  const copy = join(dir, `v${text}`);
  cpSync(defaultBundleDir(), copy, { recursive: true });
  const path = join(copy, 'manifest.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace(/"version": "[^"]+"/, `"version": "${text}"`));
  return await loadBundle(copy);
}

test('a bundle that does not hold is not installed, and what was current stays', async () => {
  const data = dataDir();
  const [one, two] = [await version('1.0.1'), await version('1.0.2')];
  await expect(installBundle(two, data, () => Promise.reject(new Error('the golden image scored 9')))).rejects.toThrow('scored 9');
  await expect(loadBundle(join(data, 'bundles/current'))).rejects.toThrow(/no such folder/);
  const first = await installBundle(one, data, proven);
  expect(first.previous).toBeNull();
  await expect(installBundle(two, data, () => Promise.reject(new Error('the golden image scored 9')))).rejects.toThrow('scored 9');
  expect((await loadBundle(join(data, 'bundles/current'))).sha256).toBe(one.sha256);
});

test('installed, switched, and back again; a bundle in use keeps its own folder', async () => {
  const data = dataDir();
  const [one, two] = [await version('2.0.1'), await version('2.0.2')];
  const first = await installBundle(one, data, proven);
  const inUse = await loadBundle(first.link);
  const second = await installBundle(two, data, proven);
  expect(second.previous).toBe(first.bundle.dir);
  expect((await loadBundle(second.link)).sha256).toBe(two.sha256);
  expect(inUse.modelPath).toBe(join(first.bundle.dir, 'model.onnx'));
  const back = await installBundle(await loadBundle(join(data, 'bundles/previous')), data, proven);
  expect(back.bundle.sha256).toBe(one.sha256);
  expect((await loadBundle(back.link)).sha256).toBe(one.sha256);
  expect(join(data, 'bundles', readlinkSync(join(data, 'bundles/previous')))).toBe(second.bundle.dir);
  expect(readdirSync(join(data, 'bundles')).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('the same again changes nothing; a damaged copy is replaced; a foreign file in the place of the link is named', async () => {
  const data = dataDir();
  const one = await version('3.0.1');
  const first = await installBundle(one, data, proven);
  expect((await installBundle(one, data, proven)).previous).toBeNull();
  writeFileSync(join(first.bundle.dir, 'model.onnx'), 'damaged');
  await expect(loadBundle(first.link)).rejects.toThrow(/model\.onnx/);
  await installBundle(one, data, proven);
  expect((await loadBundle(first.link)).sha256).toBe(one.sha256);
  rmSync(first.link);
  writeFileSync(first.link, 'mine');
  await expect(installBundle(one, data, proven)).rejects.toThrow(/is no link that verdictd made/);
});
