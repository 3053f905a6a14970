#!/usr/bin/env node
// npm run test:native: the native code under AddressSanitizer with UndefinedBehaviorSanitizer and LeakSanitizer, under ThreadSanitizer, and
// under valgrind. Everything is built into out/proof; build/ is left alone. The last line is "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDriver, buildFake, missing, must, ofCamera, root, shadow } from './shadow.mjs';
import { Tally } from './tally.mjs';

const tally = new Tally();
const flags = ['-g', '-O1', '-fno-omit-frame-pointer'];
const proof = join(root, 'out', 'proof');
const suppressions = (name) => join(root, 'test/proof/suppressions', name);
const runtime = (name) => must('gcc', [`-print-file-name=${name}`]).trim();
/** Sanitizers cost two to five times; the tests' own limits are for bare machines. */
const slow = '5';

function address() {
  const folder = shadow('asan', { flags, sanitize: 'address,undefined' });
  const options = (leaks) => ({
    ASAN_OPTIONS: `detect_leaks=${leaks ? 1 : 0}:exitcode=99:abort_on_error=0`,
    LSAN_OPTIONS: `suppressions=${suppressions('lsan.txt')}:print_suppressions=0`,
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  });
  // Node is not built for it: the runtime comes first, and the C++ library with it, whose throw it has to find.
  const preload = ['libasan.so', 'libubsan.so', 'libstdc++.so.6'].map(runtime).join(' ');
  const inNode = (leaks = true) => ({ cwd: folder, env: { ...process.env, ...options(leaks), LD_PRELOAD: preload } });

  // A detector that detects nothing shows nothing.
  const canary = join(folder, 'canary.node');
  writeFileSync(
    `${canary}.c`,
    '#include <stdlib.h>\n__attribute__((constructor)) static void leak(void) { if (malloc(12345) == 0) abort(); }\n',
  );
  must('gcc', ['-shared', '-fPIC', '-O0', '-fsanitize=address', `${canary}.c`, '-o', canary]);
  const caught = spawnSync(process.execPath, ['-e', `try { process.dlopen({ exports: {} }, '${canary}') } catch {}`], inNode());
  tally.check(
    'a leak made on purpose is found',
    caught.status === 99 && String(caught.stderr).includes('12345 byte'),
    String(caught.stderr),
  );

  const tests = [
    ...['bayer', 'loader', 'misuse', 'pushed', 'quality', 'resize', 'teardown'].map((name) => [`native/${name}`, true]),
    ...ofCamera.map((name) => [name, true]),
    // Their processes load libraries of others (pictures, inference, database) whose leaks at the end are not ours to list.
    ['spinnaker/doctor', false],
    ['spinnaker/cli', false],
  ];
  for (const [name, leaks] of tests) {
    const file = join(folder, 'test', `${name}.test.js`);
    tally.run(`address: test/${name}`, process.execPath, ['test/proof/run.cjs', file, '--slow', slow], inNode(leaks));
  }
  tally.run(
    'address: 2000 frames with faults through the line',
    process.execPath,
    ['test/soak/camera.mjs', '--frames', '2000', '--rate', '0.1'],
    inNode(),
  );
  tally.run('address: 20 times unplugged', process.execPath, ['test/soak/unplug.mjs', '--cycles', '20'], inNode());

  const plain = { env: { ...process.env, ...options(true) } };
  const fake = join(folder, 'build/fake');
  tally.run('address: the fake camera library', process.execPath, [join(root, 'test/fake-spinnaker/check.mjs'), fake], plain);
  const driver = buildDriver({ out: join(folder, 'driver'), flags, sanitize: 'address,undefined' });
  tally.run('address: native code without Node', driver, [join(fake, 'libSpinnaker_C.so.4'), '200'], plain);
}

function thread() {
  // Its maps of memory and the kernel's shuffling of addresses do not always agree.
  const fixed = missing('setarch', 'util-linux') === null ? ['setarch', '-R'] : [];
  const fake = join(proof, 'tsan', 'fake');
  buildFake({ out: fake, flags, sanitize: 'thread' });
  const driver = buildDriver({ out: join(proof, 'tsan', 'driver'), flags, sanitize: 'thread' });
  const env = { ...process.env, TSAN_OPTIONS: `suppressions=${suppressions('tsan.txt')}:exitcode=98`, RUNNER: fixed.join(' ') };
  tally.run('thread: the fake camera library', process.execPath, [join(root, 'test/fake-spinnaker/check.mjs'), fake], { env });
  const [command, ...words] = [...fixed, driver, join(fake, 'libSpinnaker_C.so.4'), '200'];
  tally.run('thread: native code without Node', command, words, { env });
}

function valgrind() {
  const absent = missing('valgrind', 'valgrind');
  if (absent !== null) {
    console.log(`skipped valgrind: ${absent}`);
    return;
  }
  const fake = join(proof, 'plain', 'fake');
  buildFake({ out: fake, flags: ['-g'] });
  const driver = buildDriver({ out: join(proof, 'plain', 'driver'), flags: ['-g', '-O1'] });
  const options = ['--error-exitcode=97', '--leak-check=full', '--errors-for-leak-kinds=definite,indirect', '--num-callers=30'];
  tally.run('valgrind: native code without Node', 'valgrind', [...options, driver, join(fake, 'libSpinnaker_C.so.4'), '40']);
}

const parts = { address, thread, valgrind };
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(parts, name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  try {
    part();
  } catch (error) {
    tally.check(`${name}: built`, false, error.message);
  }
}
tally.end();
