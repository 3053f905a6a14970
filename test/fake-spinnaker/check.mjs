// Runs every case of the fake's own test, each in a process of its own: node test/fake-spinnaker/check.mjs [FOLDER]
// FOLDER is where build.mjs --selftest put it (build/fake). Environment: RUNNER, words before the command (valgrind, qemu-aarch64 ...).
import { spawn, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const selftest = join(resolve(root, process.argv[2] ?? 'build/fake'), 'selftest');
const [command, ...before] = [...(process.env.RUNNER ?? '').split(/\s+/).filter((word) => word !== ''), selftest];

const { stdout, error } = spawnSync(command, [...before, '--list'], { encoding: 'utf8' });
if (error !== undefined) {
  console.error(`${command} cannot be started: ${error.message}. Build it: node test/fake-spinnaker/build.mjs --selftest`);
  process.exit(1);
}
const waiting = stdout.split('\n').filter((name) => name !== '');
const count = waiting.length;
let bad = 0;

function run(name) {
  return new Promise((done) => {
    const child = spawn(command, [...before, name], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 });
    let said = '';
    let told = '';
    child.stdout.on('data', (some) => (said += some));
    child.stderr.on('data', (some) => (told += some));
    child.once('close', (code, signal) => {
      if (code !== 0 || /Sanitizer|runtime error/.test(told)) {
        bad++;
        console.log(`FAILED ${name} (${signal ?? code})\n${said}${told}`);
      }
      done();
    });
  });
}
async function lane() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await run(name);
}
await Promise.all(Array.from({ length: 4 }, lane));
console.log(`${count - bad} of ${count} cases passed`);
if (bad > 0 || count === 0) process.exitCode = 1;
