// One command to a running fake: node test/fake-spinnaker/control.mjs SOCKET COMMAND...
import { createConnection } from 'node:net';

const [path, ...words] = process.argv.slice(2);
if (path === undefined || words.length === 0) {
  console.error('usage: node test/fake-spinnaker/control.mjs SOCKET COMMAND...   (COMMAND "help" lists them)');
  process.exitCode = 2;
} else {
  const socket = createConnection(path);
  let reply = '';
  socket.once('error', (error) => {
    console.error(`no fake camera listens on ${path} (${error.message}). It does once the station has opened its camera.`);
    process.exitCode = 1;
  });
  socket.once('connect', () => socket.write(`${words.join(' ')}\n`));
  socket.on('data', (some) => {
    reply += some;
    if (!reply.endsWith('\n')) return;
    socket.end();
    console.log(reply.trimEnd());
    if (!reply.startsWith('ok')) process.exitCode = 1;
  });
}
