/** A process that is to end ends, whatever hangs in it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/package';

const addon = join(packageRoot, 'build', 'Release', 'verdictd.node');
function child(script: string): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, ['-e', `const { endWithin } = require(${JSON.stringify(addon)}); ${script}`], {
    encoding: 'utf8',
    timeout: 25_000,
    killSignal: 'SIGKILL',
  });
}
const hang = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';

test.each([
  ['endWithin(-1, 0)', 'from 0 to 600000 for the milliseconds'],
  ['endWithin(600001, 0)', 'from 0 to 600000 for the milliseconds'],
  ['endWithin(0, 256)', 'from 0 to 255 for the exit code'],
  ['endWithin(0)', 'a whole number for the exit code'],
])('%s is refused', (call, why) => {
  const { status, stderr } = child(call);
  expect(status).toBe(1);
  expect(stderr).toContain(why);
});

test('a main thread that never comes back', () => {
  expect(child(`endWithin(50, 75); ${hang}`).status).toBe(75);
});

test('an exit handler that never comes back; the first call stands', () => {
  expect(child(`process.on('exit', () => ${hang}); endWithin(50, 78); endWithin(0, 1); process.exit(0)`).status).toBe(78);
});

test('a process that ends in time keeps its own exit code', () => {
  expect(child('endWithin(600000, 1); process.exitCode = 3').status).toBe(3);
});
