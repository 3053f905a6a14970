/** systemd/verdictd.service by systemd's own tools, where they are. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
