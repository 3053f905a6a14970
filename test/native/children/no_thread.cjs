// Cameras when no more threads can be had: each says so; those that have their thread, and the end of the process, are as always.
const { execFileSync } = require('node:child_process');
const { native } = require('../../../dist/native.js');

const { Camera } = native();
const first = new Camera({ backend: 'pushed' }, () => undefined);
// Node's own threads exist from here on; the next one is refused by the kernel. Root is exempt from the limit, so it steps down.
execFileSync('prlimit', ['--pid', String(process.pid), '--nproc=1']);
if (process.getuid() === 0) process.setuid(65534);
let said = '';
for (let i = 0; i < 3; i++) {
  try {
    new Camera({ backend: 'pushed' }, () => undefined);
  } catch (error) {
    said = error.message;
  }
}
first
  .open()
  .then(() => first.close())
  .then(() => console.log(said));
