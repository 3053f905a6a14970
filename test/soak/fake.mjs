// The fake camera library in this process: surroundings, control, and what its own log says of every exposure.
import { createReadStream, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const library = fileURLToPath(new URL('../../build/fake/libSpinnaker_C.so.4', import.meta.url));

/** Sets the environment the library reads with its first call; `script`: lines of its language. */
export function enter(script, { log }) {
  if (!existsSync(library)) {
    console.error(`${library} is not built: npm run build:fake`);
    process.exit(2);
  }
  const folder = mkdtempSync(join(tmpdir(), 'verdictd-soak-'));
  const at = (name) => join(folder, name);
  writeFileSync(at('script'), `${script.join('\n')}\n`);
  process.env.VERDICTD_FAKE_SPINNAKER = at('script');
  process.env.VERDICTD_FAKE_SPINNAKER_CONTROL = at('control');
  if (log) process.env.VERDICTD_FAKE_SPINNAKER_LOG = at('log');
  return { log: at('log'), control: at('control'), folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** One command; resolves with the reply behind `ok`, rejects with the library's own words. */
export function tell(control, line) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(control);
    let reply = '';
    socket.on('error', reject);
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.on('data', (some) => {
      reply += some;
      if (!reply.endsWith('\n')) return;
      socket.end();
      if (reply.startsWith('ok')) resolve(reply.slice(3).trim());
      else reject(new Error(`${line}: ${reply.trim()}`));
    });
  });
}

/** What the library says of itself: handles held, violations. */
export const status = async (control) => JSON.parse(await tell(control, 'status'));

/** Lines of the log, in order, those with `word` in them: calls, frames {frame: number, exposure, status, fault} and the rest. */
export async function* linesOf(log, word = '') {
  for await (const line of createInterface({ input: createReadStream(log) })) {
    if (line.includes(word)) yield JSON.parse(line);
  }
}
export const framesOf = (log) => linesOf(log, '"frame":');
