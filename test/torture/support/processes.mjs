// Processes that parts start: each ends with the bench, whatever ends it, and waiting has a limit.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set();
process.on('exit', () => {
  for (const { pid } of running) {
    try {
      process.kill(-pid, 'SIGKILL'); // its group: what it has started, too, and also where it is stopped (SIGSTOP)
    } catch {
      // it has ended by itself
    }
  }
});

/** Starts a program; what it says goes to the end of the file `log`. `child.ended` resolves with {code, signal}. */
export function launch(command, args, { env, cwd, log }) {
  const out = openSync(log, 'a');
  // A group of its own: Ctrl-C is for the bench alone, which ends what it has started.
  const child = spawn(command, args, { cwd, env: env ?? process.env, stdio: ['ignore', out, out], detached: true });
  closeSync(out);
  running.add(child);
  child.ended = new Promise((resolve) => {
    child.once('error', (error) => {
      running.delete(child);
      resolve({ code: null, signal: null, error });
    });
    child.once('exit', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  return child;
}

/** Waits until `condition()` holds (it may be asynchronous); false after `limit` ms. */
export async function within(limit, condition, every = 5) {
  const end = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await sleep(every);
  }
  return true;
}

/** A port of this machine that nobody listens on. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export { sleep };
