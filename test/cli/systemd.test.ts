/** systemd/verdictd.service by systemd's own tools, where they are. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package';

const unit = readFileSync(join(packageRoot, 'systemd/verdictd.service'), 'utf8');
const tool = spawnSync('systemd-analyze', ['--version']).error === undefined;
if (!tool) console.warn('skipped: systemd-analyze is not installed, so nothing can check the unit');
const withTool = tool ? test : test.skip;

const dir = mkdtempSync(join(tmpdir(), 'verdictd-unit-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The unit as on the rig, but for the paths: those of this checkout. */
function adapted(change: (text: string) => string = (text) => text): string {
  const path = join(dir, 'verdictd.service');
  writeFileSync(path, change(unit.replaceAll('/opt/verdictd', packageRoot)));
  return path;
}

/** Unknown keys and wrong values are only warnings to the tool, and exit code 0: what counts is that it says nothing. */
function verify(path: string): string {
  return spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' }).stderr;
}

withTool('verify has nothing to say, and would have', () => {
  expect(verify(adapted((text) => text.replace('RestartSec=2', 'RestartSek=2')))).toContain('RestartSek');
  expect(verify(adapted((text) => text.replace('src/cli/verdictd ', 'src/cli/gone ')))).toContain('gone');
  expect(verify(adapted())).toBe('');
});

withTool('exposure is at most 2.0, and would be more without the hardening', () => {
  const threshold = (path: string) => spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', path]).status;
  expect(threshold(adapted((text) => text.replace(/^SystemCallFilter=.*$/gm, '')))).not.toBe(0);
  expect(threshold(adapted())).toBe(0);
});

test('what an unattended rig needs', () => {
  for (const line of [
    'Type=notify',
    'NotifyAccess=main',
    'WatchdogSec=10',
    'SupplementaryGroups=flirimaging',
    'Environment=HOME=/var/lib/verdictd',
    'Restart=always',
    'StartLimitIntervalSec=0',
    'RestartPreventExitStatus=78',
    'StateDirectory=verdictd',
    'Environment=ORT_DISABLE_TELEMETRY=1',
  ]) {
    expect(unit.split('\n')).toContain(line);
  }
  // V8 compiles at run time: with it Node dies at start.
  expect(unit).not.toMatch(/^MemoryDenyWriteExecute=/m);
});

const tmpfiles = spawnSync('systemd-tmpfiles', ['--version']).error === undefined;
if (!tmpfiles) console.warn('skipped: systemd-tmpfiles is not installed, so nothing can read its file');

(tmpfiles ? test : test.skip)('tmpfiles: every line is one, and a wrong one would be named', () => {
  // In a root of its own, with the users it names; /sys is not ours to write there.
  const root = mkdtempSync(join(dir, 'root-'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nverdictd:x:990:990::/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nverdictd:x:990:\n');
  const read = (text: string, ...more: string[]) => {
    const file = join(root, 'verdictd.conf');
    writeFileSync(file, text);
    return spawnSync('systemd-tmpfiles', [`--root=${root}`, ...more, '--create', file], { encoding: 'utf8' }).stderr;
  };
  const shipped = readFileSync(join(packageRoot, 'systemd/verdictd-tmpfiles.conf'), 'utf8');
  const dry = !/--dry-run/.test(read('', '--dry-run'));
  if (!dry && process.getuid?.() !== 0) {
    console.warn('skipped: this systemd-tmpfiles has no --dry-run (it came with 256), and only root may do what the file says');
    return;
  }
  const options = dry ? ['--dry-run'] : [];
  expect(read(shipped.replace('d /etc', 'Q9 /etc'), ...options)).toMatch(/Q9|Unknown/);
  expect(read(shipped, ...options)).toBe('');
});

const udevadm = spawnSync('udevadm', ['verify', '--help']);
const withUdev = udevadm.error === undefined && udevadm.status === 0 ? test : test.skip;
if (withUdev === test.skip) console.warn('skipped: there is no `udevadm verify` (it came with 254), so nothing can read the udev rules');

withUdev('udev: the rules are rules, and a wrong one would be named', () => {
  const verifyRules = (text: string) => {
    const file = join(dir, '40-test.rules');
    writeFileSync(file, text);
    return spawnSync('udevadm', ['verify', '--resolve-names=never', file]).status;
  };
  const rules = readFileSync(join(packageRoot, 'systemd/40-verdictd-camera.rules'), 'utf8');
  expect(verifyRules(rules.replace('SUBSYSTEM==', 'SUBSISTEM=='))).not.toBe(0);
  expect(verifyRules(rules)).toBe(0);
});
